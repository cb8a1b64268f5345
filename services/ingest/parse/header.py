"""Reads the header line: which kind of table a file holds, and where its columns are."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from services.ingest.parse.column_names import DIRECTORY_SPELLINGS, LOOSE_SPELLINGS, SPELLINGS, fold_name
from services.ingest.parse.encodings import Encoding, is_utf8
from services.ingest.parse.header_fields import (
    BOM,
    SEPARATORS,
    quote_line,
    read_names,
    split_header,
)
from services.ingest.parse.header_hints import LOCAL_TIMES, list_hints
from services.ingest.parse.kinds import IN_DIRECTORY, OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Kind
from services.ingest.parse.label_columns import find_label_columns
from services.ingest.parse.telling_names import find_zone_column
from shared.errors import BadInputFile
from shared.store_ids import clean_store_id
from shared.texts import UNSEEN

_UTC_NAME = "timestamputc"
# Pandas calls a column without a name so when it writes the file again.
_NO_NAME = re.compile(r"\s*|Unnamed: \d+")
_SEPARATOR_LINE = re.compile(rb'"?sep=([,;\t|])"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """The kind of a table, the number of fields in a row, and the indexes of the columns that the kind needs.

    The columns are in the order of `REQUIRED_COLUMNS`, then those of `OPTIONAL_COLUMNS` that the table has. Those without a
    name must be empty, and their indexes are `unnamed`. `separator` stands
    between fields. `encoding` is None if the header is ASCII and has no byte order mark. `is_utc`: the name of the
    timestamp's column says that times without a zone are UTC, and no other column has zones. `optional` has the place in `columns` and the name of each
    optional column. Of a store directory, the last columns are the `labels` with these names. Columns with the names in
    `unread` are ignored.
    """

    kind: Kind
    width: int
    columns: tuple[int, ...]
    separator: str = ","
    encoding: Encoding | None = None
    is_utc: bool = False
    unnamed: tuple[int, ...] = ()
    optional: tuple[tuple[int, str], ...] = ()
    labels: tuple[str, ...] = ()
    unread: tuple[str, ...] = field(default=(), compare=False)

    @property
    def remark(self) -> Mapping[str, Sequence[str]]:
        """What the quality report says of the columns. By `directory_columns` the ledger knows what a directory can change."""
        found: dict[str, Sequence[str]] = {"columns_not_read": self.unread, "labels": self.labels}
        remark = {name: list(columns) for name, columns in found.items() if columns}
        if self.kind == "stores":
            remark["directory_columns"] = [name for _, name in self.optional]
        return remark

    def reads_like(self, other: "Layout") -> bool:
        """Return whether the rows below both headers are read alike, but for the case of labels."""
        labels, others = ([label.casefold() for label in each.labels] for each in (self, other))
        return labels == others and replace(self, encoding=other.encoding, labels=other.labels) == other


def has_bom(start: bytes | bytearray) -> bool:
    """Return whether a file starts with the byte order mark of UTF-8."""
    return start.startswith(BOM)


def read_separator_line(line: bytes) -> str | None:
    """Return the separator that a line such as `sep=;` names, as spreadsheets write it, or None for other lines."""
    match = _SEPARATOR_LINE.fullmatch(line)
    return match[1].decode() if match else None


def read_header(
    line: bytes, separator: str | None = None, kinds: Sequence[Kind] = tuple(REQUIRED_COLUMNS)
) -> Layout:
    """Read the header line. Raise `BadInputFile` if a column is missing, doubled or ambiguous.

    Without a `separator`, the one is taken that the header's fields are separated by. The message for an unknown header
    names the columns of `kinds`.
    """
    encoding: Encoding | None = None if line.isascii() else "utf-8" if is_utf8(line) else "cp1252"
    for candidate in separator or SEPARATORS:
        fields = split_header(line, candidate)
        if len(fields) > 1 and (found := _find_columns(fields, candidate, line)):
            return replace(found, encoding=encoding)
    if separator and _has_layout(line, SEPARATORS.replace(separator, "")):
        raise BadInputFile(
            "header",
            f"the line above the header says that fields are separated by {separator!r}, but the header has another"
            f" separator: {quote_line(line)}. Remove the line sep={separator}, or correct it",
        )
    if encoding == "cp1252":
        raise BadInputFile("encoding", "the header is not UTF-8 text; save the file as CSV UTF-8")
    hints = "".join(list_hints(line, kinds, lambda text: _has_layout(text, SEPARATORS)))
    expected = "; or ".join(f"{','.join(REQUIRED_COLUMNS[kind])} ({kind})" for kind in kinds)
    raise BadInputFile("header", f"the header is unknown: {quote_line(line)}. {hints}It must name {expected}")


def find_header_below(lines: Sequence[bytes]) -> int | None:
    """Return the index of the first of these lines that is a header, or None."""
    for index, line in enumerate(lines):
        with suppress(BadInputFile):
            read_header(line.removesuffix(b"\r"))
            return index
    return None


def _has_layout(line: bytes, separators: str) -> bool:
    return any(_find_columns(split_header(line, candidate), candidate, line) for candidate in separators)


def _find_columns(fields: list[str], separator: str, line: bytes) -> Layout | None:
    """Return the layout, or None if no kind of file has these columns."""
    folded = [fold_name(field) for field in fields]
    loose_names = read_names(folded, SPELLINGS | LOOSE_SPELLINGS)
    # Columns of a second kind make a file ambiguous, however they are spelled.
    loose_kinds = _find_kinds(loose_names)
    for names in (read_names(folded, SPELLINGS), loose_names):
        kinds = _find_kinds(names)
        if kinds and len(loose_kinds) > 1:
            local = f"{LOCAL_TIMES}. " if {"polls", "timezones"} <= {*loose_kinds} else ""
            raise BadInputFile(
                "header",
                f"the header fits more than one kind of file ({', '.join(loose_kinds)}): {quote_line(line)}. {local}Split the file, or leave out the columns that do not belong to its kind",
            )
        if kinds == ["stores"] == loose_kinds:
            return _make_layout("stores", loose_names, fields, separator, line)
        if kinds and kinds != ["stores"]:
            return _make_layout(kinds[0], names, fields, separator, line)
    names = read_names(folded, SPELLINGS | LOOSE_SPELLINGS | DIRECTORY_SPELLINGS)
    return (
        _make_layout("stores", names, fields, separator, line) if _find_kinds(names) == ["stores"] else None
    )


def _make_layout(
    kind: Kind, names: list[str | None], fields: list[str], separator: str, line: bytes
) -> Layout:
    optional = tuple(name for name in OPTIONAL_COLUMNS.get(kind, ()) if name in names)
    needed = [*REQUIRED_COLUMNS[kind], *optional]
    if doubled := [name for name in needed if names.count(name) > 1]:
        raise BadInputFile(
            "header",
            f"the header names {doubled[0]} twice: {quote_line(line)}. Keep one of these columns",
        )
    columns = tuple(names.index(name) for name in needed)
    required = len(REQUIRED_COLUMNS[kind])
    unnamed = tuple(index for index, field in enumerate(fields) if _NO_NAME.fullmatch(UNSEEN.sub("", field)))
    labels = find_label_columns(fields, names, {*columns, *unnamed}) if kind == "stores" else {}
    taken = {*columns, *unnamed, *labels.values()}
    unread = tuple(clean_store_id(name) for index, name in enumerate(fields) if index not in taken)
    is_utc = kind == "polls" and fold_name(fields[columns[required - 1]]) == _UTC_NAME
    return Layout(
        kind,
        len(fields),
        (*columns, *labels.values()),
        separator,
        # Beside a column with zones, times without a zone may be local.
        is_utc=is_utc and find_zone_column(unread) is None,
        unnamed=unnamed,
        optional=tuple(enumerate(optional, required)),
        labels=tuple(labels),
        unread=unread,
    )


def _find_kinds(names: list[str | None]) -> list[Kind]:
    """Return the kinds whose columns are there. A file is a store directory only if it can be nothing else."""
    kinds: list[Kind] = [kind for kind, required in REQUIRED_COLUMNS.items() if set(required) <= set(names)]
    if "stores" not in kinds:
        return kinds
    return [kind for kind in kinds if kind != "stores"] if set(kinds) - IN_DIRECTORY else ["stores"]
