"""Splits a chunk into rows and fields: vectorised for plain chunks, line by line for all others.

Both ways find the same fields. A line that is not a row of the table becomes a reject.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.chunks import MAX_LINE_BYTES
from services.ingest.parse.encodings import FileEncoding, is_utf8
from services.ingest.parse.fields import count_record_lines, find_encoding, split_line
from services.ingest.parse.header import Layout
from services.ingest.parse.invisible_characters import has_invisible
from services.ingest.parse.line_ends import refuse_unclear_end
from services.ingest.parse.plain_columns import read_column
from services.ingest.parse.reasons import RAW_BYTES, Reject

Ints = NDArray[np.int64]
_NEWLINE, _RETURN, _FIRST_PRINTABLE = 10, 13, 32
_FEW = 8  # measured: to read some ids one by one costs eight times as much for each as to read all
_PAD = bytes(64)  # so that whole words can be read from any position of a field


@dataclass(frozen=True)
class Rows:
    """n rows with the right number of fields, and the rejects among the lines read.

    Column c of the layout (in the order of its kind) is `text[starts[c, i]:ends[c, i]]` in row i; `text` is padded with
    64 NUL bytes, and `is_ascii` tells whether it is all ASCII. `places` is where each row starts in the chunk. In a chunk
    that `is_plain`, all lines are rows, and no field is quoted.
    """

    chunk: Chunk
    text: bytes
    is_ascii: bool
    starts: Ints  # (columns, n)
    ends: Ints  # (columns, n)
    lines: Ints
    places: Ints
    rejects: list[Reject]
    layout: Layout
    is_plain: bool = False

    @cached_property
    def ids(self) -> pl.Series:
        """The store ids of all rows, as they are written."""
        if self.is_plain:
            ids = read_column(self.chunk.data, self.layout.columns[0], self.layout.separator)
            if len(ids) == len(self.lines):
                return ids
        return pl.Series(self.decode_column(0), dtype=pl.String)

    def pick_ids(self, some: Ints) -> pl.Series:
        """Return the store ids of some rows. If they are few, the others are not read."""
        if len(some) * _FEW > len(self.lines):
            return self.ids.gather(some)
        return pl.Series([self.decode_field(0, row) for row in some.tolist()], dtype=pl.String)

    @property
    def rows_read(self) -> int:
        return len(self.lines) + len(self.rejects)

    def decode_field(self, column: int, row: int) -> str:
        """Return the text of one field."""
        return self.text[self.starts[column, row] : self.ends[column, row]].decode()

    def decode_column(self, column: int) -> list[str]:
        """Return the text of a whole column."""
        # Lists are indexed three times as fast as arrays.
        places = zip(self.starts[column].tolist(), self.ends[column].tolist(), strict=True)
        if self.is_ascii:
            text = self.text.decode()
            return [text[start:end] for start, end in places]
        return [self.text[start:end].decode() for start, end in places]

    def collect_rejects(self, faults: Mapping[int, str]) -> list[Reject]:
        """Return all rejects of the chunk by line: those found so far, and the rows in `faults` with their reasons."""
        if not faults:
            return self.rejects
        found = [*self.rejects, *(self._make_reject(row, reason) for row, reason in faults.items())]
        return sorted(found, key=lambda reject: reject.line)

    def read_line(self, row: int) -> bytes:
        """Return the text of a row's line, as far as a reject keeps it."""
        return self._cut_raw(int(self.places[row]))

    def _cut_raw(self, place: int) -> bytes:
        data = self.chunk.data
        end = data.find(b"\n", place, place + RAW_BYTES)
        return data[place : end if end >= 0 else place + RAW_BYTES].removesuffix(b"\r")

    def _make_reject(self, row: int, reason: str) -> Reject:
        place = int(self.places[row])
        return Reject(int(self.lines[row]), self.chunk.first_byte + place, reason, self._cut_raw(place))


def split_rows(chunk: Chunk, layout: Layout, encoding: FileEncoding | None = None) -> Rows:
    """Return all rows of the chunk that are not blank. Raise `BadInputFile` (`line_ends`).

    The first chunk with characters beyond ASCII sets the file's `encoding`.
    """
    encoding = encoding or FileEncoding(layout.encoding)
    return split_plain(chunk, layout, encoding) or split_by_line(chunk, layout, encoding)


def split_plain(chunk: Chunk, layout: Layout, encoding: FileEncoding | None = None) -> Rows | None:
    """Split vectorised. Return None if any line may hold more than fields between separators."""
    encoding = encoding or FileEncoding(layout.encoding)
    data, buffer = chunk.data, np.frombuffer(chunk.data, np.uint8)
    is_newline = buffer == _NEWLINE
    field_ends = np.flatnonzero(is_newline | (buffer == ord(layout.separator)))
    n, separators = int(np.count_nonzero(is_newline)), layout.width - 1
    is_ascii = data.isascii()
    if not is_ascii and (encoding.name == "cp1252" or not is_utf8(data) or has_invisible(data)):
        return None
    if not _is_plain_text(data, buffer, n + (len(field_ends) - n if layout.separator == "\t" else 0)):
        return None
    if len(field_ends) != n * layout.width:
        return None
    commas = field_ends.reshape(n, layout.width)
    line_ends = commas[:, separators]
    line_starts = np.concatenate(([0], line_ends[:-1] + 1))
    if not is_newline[line_ends].all() or (line_ends - line_starts).max() > MAX_LINE_BYTES:
        return None
    line_ends = line_ends - (buffer[line_ends - 1] == _RETURN)

    def bounds(columns: tuple[int, ...]) -> tuple[Ints, Ints]:
        return (
            np.stack([commas[:, c - 1] + 1 if c else line_starts for c in columns]),
            np.stack([commas[:, c] if c < separators else line_ends for c in columns]),
        )

    starts, ends = bounds(layout.columns)
    # A row without an id may be blank.
    is_blank = starts[0] == ends[0]
    if is_blank.any() or (layout.unnamed and not _are_unnamed(data, layout, *bounds(layout.unnamed))):
        return None
    if not is_ascii:
        encoding.name = "utf-8"
    return Rows(
        chunk=chunk,
        text=data + _PAD,
        is_ascii=is_ascii,
        starts=starts,
        ends=ends,
        lines=np.arange(chunk.first_line, chunk.first_line + n),
        places=line_starts,
        rejects=[],
        layout=layout,
        is_plain=True,
    )


def split_by_line(chunk: Chunk, layout: Layout, encoding: FileEncoding | None = None) -> Rows:
    """Split any chunk, one line at a time. Raise `BadInputFile` (`line_ends`)."""
    encoding = encoding or FileEncoding(layout.encoding)
    texts = [line.removesuffix(b"\r") for line in chunk.data.split(b"\n")[:-1]]
    good: list[list[bytes]] = []
    lines: list[int] = []
    places: list[int] = []
    rejects: list[Reject] = []
    place = 0
    blank = f'{layout.separator}"'.encode()
    next_record = chunk.first_line
    if not chunk.data.isascii():
        encoding.name = encoding.name or find_encoding(texts, layout)
    for line, text in enumerate(texts, chunk.first_line):
        if text.strip(blank):  # spreadsheets save empty rows as `,,`
            refuse_unclear_end(text, line)
            # Lines within a quoted field are no rows, whatever they look like.
            fields = split_line(text, layout, encoding.name) if line >= next_record else "quoting"
            if fields == "quoting" and line >= next_record and not chunk.of_messages:
                next_record = line + count_record_lines(chunk.data, place, layout)
            if isinstance(fields, str):
                rejects.append(Reject(line, chunk.first_byte + place, fields, text[:RAW_BYTES]))
            else:
                good.append(fields)
                lines.append(line)
                places.append(place)
        place = chunk.data.index(b"\n", place) + 1
    lengths = np.array([[len(field) for field in fields] for fields in good], np.int64)
    lengths = lengths.reshape(len(good), len(layout.columns))
    ends = np.cumsum(lengths.ravel()).reshape(lengths.shape)
    joined = b"".join(field for fields in good for field in fields) + _PAD
    return Rows(
        chunk=chunk,
        text=joined,
        is_ascii=joined.isascii(),
        starts=np.ascontiguousarray((ends - lengths).T),
        ends=np.ascontiguousarray(ends.T),
        lines=np.array(lines, np.int64),
        places=np.array(places, np.int64),
        rejects=rejects,
        layout=layout,
    )


def _are_unnamed(data: bytes, layout: Layout, starts: Ints, ends: Ints) -> bool:
    """Return whether all columns without a name hold only what `may_be_unnamed` allows. May return False for spaces."""
    filled = {layout.unnamed[place] for place in np.flatnonzero((starts < ends).any(axis=1)).tolist()}
    return filled <= {0} and all(
        read_column(data, column, layout.separator).str.contains("^[0-9]*$").all() for column in filled
    )


def _is_plain_text(data: bytes, buffer: NDArray[np.uint8], expected: int) -> bool:
    """Return whether there are no quotes, and no control characters except those expected and CR before LF."""
    if b'"' in data or b"\x7f" in data:
        return False
    # Searching for one byte is ten times as fast as searching for two.
    returns = data.count(b"\r\n") if b"\r" in data else 0
    return int(np.count_nonzero(buffer < _FIRST_PRINTABLE)) == expected + returns
