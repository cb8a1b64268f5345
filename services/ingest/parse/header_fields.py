"""Splits a header line into names, and reads these as names of columns."""

import csv
from collections.abc import Mapping
from typing import Final

from services.ingest.parse.column_names import SPELLINGS
from services.ingest.parse.encodings import decode_cp1252, is_utf8

SEPARATORS: Final = ",;\t|"
BOM: Final = b"\xef\xbb\xbf"
_QUOTED_CHARACTERS: Final = 200


def strip_bom(line: bytes) -> bytes:
    """Return the text without its byte order mark. Programs that add one to what has it already write two."""
    while line.startswith(BOM):
        line = line.removeprefix(BOM)
    return line


def read_names(folded: list[str], spellings: Mapping[str, str]) -> list[str | None]:
    """Return the column that each field names. A loose spelling counts only if no field has a strict one."""
    strict = {SPELLINGS.get(name) for name in folded}
    found = [(SPELLINGS.get(name), spellings.get(name)) for name in folded]
    return [exact or (None if loose in strict else loose) for exact, loose in found]


def split_header(line: bytes, separator: str) -> list[str]:
    """Return the fields of a header line, or none if its quotes do not fit the separator."""
    try:
        text = line.decode("utf-8") if is_utf8(line) else decode_cp1252(line)
        (fields,) = csv.reader([text.strip(" \r")], strict=True, delimiter=separator)
    except csv.Error:
        return []
    return fields


def quote_line(line: bytes) -> str:
    """Return the start of a line, to quote it."""
    return repr(line.decode("utf-8", "replace").strip()[:_QUOTED_CHARACTERS])
