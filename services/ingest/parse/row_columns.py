"""The rows of a chunk as columns: the texts that they share, and where each row is."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from services.ingest.parse.plain_columns import read_columns
from services.ingest.parse.reasons import RAW_BYTES
from services.ingest.parse.rows import Ints, Rows
from shared.columns import RaggedColumn

_NEWLINE, _RETURN = 10, 13


def number_fields(rows: Rows) -> tuple[list[tuple[str, ...]], Ints]:
    """Return the distinct texts of all columns but that of the ids, and the place of each row's among them."""
    columns = range(1, len(rows.layout.columns))
    frame = _read_plain(rows, columns) if rows.is_plain else None
    if frame is None or len(frame) != len(rows.lines):
        texts = {str(column): rows.decode_column(column) for column in columns}
        frame = pl.DataFrame(texts, dict.fromkeys(texts, pl.String))
    distinct = frame.unique(maintain_order=True)
    places = frame.join(
        distinct.with_row_index("place"), on=frame.columns, how="left", maintain_order="left"
    )["place"]
    return distinct.rows(), places.to_numpy().astype(np.int64)


def _read_plain(rows: Rows, columns: Sequence[int]) -> pl.DataFrame:
    given = [rows.layout.columns[column] for column in columns]
    frame = read_columns(rows.chunk.data, sorted(given), rows.layout.separator)
    return frame[:, [sorted(given).index(column) for column in given]]


def find_around(rows: Rows, texts: Sequence[tuple[str, ...]]) -> list[tuple[str, str]] | None:
    """Return the text before and after the id in the lines of a chunk, by the place of a row's texts.

    None if lines may differ from this, or if there are lines without a row.
    """
    layout, (place, *others) = rows.layout, rows.layout.columns
    if not rows.is_plain or layout.width != len(layout.columns) or b"\r" in rows.chunk.data:
        return None
    before, after = (
        [number for number in np.argsort(others).tolist() if (others[number] < place) == is_before]
        for is_before in (True, False)
    )
    return [
        (
            "".join(fields[number] + layout.separator for number in before),
            "".join(layout.separator + fields[number] for number in after),
        )
        for fields in texts
    ]


def locate_rows(rows: Rows) -> dict[str, Ints | RaggedColumn]:
    """Return the line of each row, the byte of the source it starts at, and the start of its text: three columns."""
    return {
        "line": rows.lines,
        "byte_offset": rows.places + rows.chunk.first_byte,
        "raw": _cut_lines(rows),
    }


def _cut_lines(rows: Rows) -> RaggedColumn:
    """Return the text of each row's line, as far as a reject keeps it."""
    data, starts = rows.chunk.data, rows.places
    buffer = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(buffer == _NEWLINE)
    ends = newlines[np.searchsorted(newlines, starts)]
    if rows.is_plain and (ends - starts).max() <= RAW_BYTES:
        # Every line is a row, and CR comes only before LF.
        text = buffer[(buffer != _NEWLINE) & (buffer != _RETURN)]
        return RaggedColumn(text, ends - starts - (buffer[ends - 1] == _RETURN))
    places = zip(starts.tolist(), np.minimum(ends, starts + RAW_BYTES).tolist(), strict=True)
    return RaggedColumn.join([data[start:end].removesuffix(b"\r") for start, end in places])
