"""Splits one line into fields (RFC 4180), or says why the line is not a row."""

import re
from collections.abc import Iterable

from services.ingest.parse.chunks import MAX_LINE_BYTES
from services.ingest.parse.encodings import Encoding, decode_line, is_utf8
from services.ingest.parse.header import Layout
from services.ingest.parse.header_fields import SEPARATORS
from shared.store_ids import clean_store_id
from shared.texts import UNSEEN

_FIELDS = {
    separator: re.compile(
        rf'(?:"((?:[^"]++|"")*+)"|([^"{re.escape(separator)}]*+))(?:{re.escape(separator)}|\Z)'
    )
    for separator in SEPARATORS
}

# Spreadsheets mark text so, and need quotes around it: ="00123".
_TEXT_MARKS = {
    separator: re.compile(rf'(?:^|{re.escape(separator)})="[^"]*"(?:{re.escape(separator)}|$)')
    for separator in SEPARATORS
}

# A record of one or several lines, as far as RFC 4180 has them.
_RECORDS = {
    separator: re.compile(rb"%(field)s(?:%(border)s%(field)s)*+\r?\n" % {b"field": field, b"border": border})
    for separator, border in ((each, re.escape(each).encode()) for each in SEPARATORS)
    if (field := rb'(?:"(?:[^"]|"")*+"|[^"\r\n%s]*+)' % border)
}


def split_line(line: bytes, layout: Layout, encoding: Encoding | None = None) -> list[bytes] | str:
    """Return the fields, in UTF-8, of the columns that the layout needs, or the reason to reject the line."""
    if len(line) > MAX_LINE_BYTES:
        return "line_too_long"
    text = decode_line(line, encoding)
    if text is None:
        return "encoding"
    fields = _split_quoted(text, layout.separator) if '"' in text else text.split(layout.separator)
    if fields is None:
        return "text_mark" if _TEXT_MARKS[layout.separator].search(text) else "quoting"
    if UNSEEN.search(text) and _has_unseen(fields, layout):
        return "control_character"
    return _find_fault(fields, layout, encoding) or [fields[column].encode() for column in layout.columns]


def count_record_lines(data: bytes, place: int, layout: Layout) -> int:
    """Return how many lines the record takes that begins at `place`: 1, unless a quoted field holds line breaks.

    It is 1 too if the lines do not make a row of the table together: then a quote is missing or too much.
    """
    match = _RECORDS[layout.separator].match(data, place, place + MAX_LINE_BYTES)
    if match is None:
        return 1
    text = match[0].decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    fields = _split_quoted(text, layout.separator)
    return match[0].count(b"\n") if fields and len(fields) == layout.width else 1


def may_be_unnamed(field: str, column: int) -> bool:
    """Return whether a field may stand in a column without a name: nothing, or the row's number in the first column."""
    text = field.strip(" ")
    return not text or (column == 0 and text.isascii() and text.isdecimal())


def find_encoding(lines: Iterable[bytes], layout: Layout) -> Encoding | None:
    """Return the encoding that lines show: UTF-8 if any of them is, Windows-1252 if one can be read so, None if all are ASCII."""
    foreign = [line for line in lines if not line.isascii() and len(line) <= MAX_LINE_BYTES]
    if any(is_utf8(line) for line in foreign):
        return "utf-8"
    can_be_read = any(isinstance(split_line(line, layout, "cp1252"), list) for line in foreign)
    return "cp1252" if can_be_read else None


def _has_unseen(fields: list[str], layout: Layout) -> bool:
    """Return whether a field has an invisible character, other than at the ends of the store id, a name or a label."""
    texts = _text_columns(layout)
    return any(
        UNSEEN.search(clean_store_id(field) if column in texts else field)
        for column, field in enumerate(fields)
    )


def _text_columns(layout: Layout) -> tuple[int, ...]:
    """Return the columns with words that people chose."""
    if layout.kind != "stores":
        return layout.columns[:1]
    return (*layout.columns[:2], *layout.columns[len(layout.columns) - len(layout.labels) :])


def _find_fault(fields: list[str], layout: Layout, encoding: Encoding | None) -> str | None:
    """Return the reason to reject a line with these fields, or None."""
    if len(fields) != layout.width:
        return "columns"
    if any(not may_be_unnamed(fields[column], column) for column in layout.unnamed):
        return "unnamed_column"
    # Only words may be read as Windows-1252: in any other column the bytes could mean another value.
    others = set(layout.columns) - set(_text_columns(layout))
    if encoding == "cp1252" and not all(fields[column].isascii() for column in others):
        return "encoding"
    return None


def _split_quoted(text: str, separator: str) -> list[str] | None:
    """Return the fields of a line with quotes, or None if a quote is not closed or stands inside a field."""
    fields: list[str] = []
    place = 0
    while match := _FIELDS[separator].match(text, place):
        quoted, plain = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        place = match.end()
        if not match[0].endswith(separator):
            return fields
    return None
