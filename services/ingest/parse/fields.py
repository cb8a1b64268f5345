"""Splits one line into fields (RFC 4180), or says why the line is not a row."""

import re

from services.ingest.parse.chunks import MAX_LINE_BYTES
from services.ingest.parse.header import SEPARATORS, Layout
from shared.texts import UNSEEN

_FIELDS = {
    separator: re.compile(
        rf'(?:"((?:[^"]++|"")*+)"|([^"{re.escape(separator)}]*+))(?:{re.escape(separator)}|\Z)'
    )
    for separator in SEPARATORS
}


def split_line(line: bytes, layout: Layout) -> list[bytes] | str:
    """Return the fields of the columns that the layout needs, or the reason to reject the line."""
    if len(line) > MAX_LINE_BYTES:
        return "line_too_long"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return "encoding"
    if UNSEEN.search(text.replace("\t", "") if layout.separator == "\t" else text):
        return "control_character"
    if '"' in text:
        fields = _split_quoted(text, layout.separator)
        if fields is None:
            return "quoting"
    else:
        fields = text.split(layout.separator)
    if len(fields) != layout.width:
        return "columns"
    return [fields[column].encode() for column in layout.columns]


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
