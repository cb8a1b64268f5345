"""Finds headers below the first line: several files were joined into one.

A header is never a valid row of any kind except store directories, so that only rows with a fault are looked at.
"""

import re
from dataclasses import replace
from typing import Final

from services.ingest.parse.header import Layout, read_header
from services.ingest.parse.header_fields import SEPARATORS, strip_bom
from services.ingest.parse.refusals import LineRefused
from services.ingest.parse.rows import Rows
from shared.errors import BadInputFile

REPEATED_HEADER: Final = "repeated_header"
_BORDER: Final = re.escape(SEPARATORS).encode()
# A field that can only be the name of the column with the ids. Every header has one, and few rows.
_NAMES_IDS: Final = re.compile(
    rb'(?:^(?:\xef\xbb\xbf)?|["%b])\s*store[ _-]*(?:id)?\s*(?:["%b]|$)' % (_BORDER, _BORDER), re.IGNORECASE
)


def find_headers(rows: Rows) -> list[int]:
    """Return the rows that repeat the header of a store directory, whose header reads like a valid row."""
    return [
        row
        for row, store_id in enumerate(rows.ids)
        if _NAMES_IDS.search(store_id.encode())
        and _repeats_header(rows.read_line(row), rows.layout, int(rows.lines[row]))
    ]


def mark_headers(rows: Rows, faults: dict[int, str]) -> None:
    """Give each line that repeats the header its own reason, in `faults` and among the rejects.

    Raise `LineRefused` (`header`) at a header whose rows are read in another way.
    """
    layout = rows.layout
    for place, reject in enumerate(rows.rejects):
        if _repeats_header(reject.raw, layout, reject.line):
            rows.rejects[place] = replace(reject, reason=REPEATED_HEADER)
    for row in faults:
        if _repeats_header(rows.read_line(row), layout, int(rows.lines[row])):
            faults[row] = REPEATED_HEADER


def _repeats_header(text: bytes, layout: Layout, line: int) -> bool:
    if not _NAMES_IDS.search(text) or (found := _read_layout(strip_bom(text))) is None:
        return False
    if not found.reads_like(layout):
        raise LineRefused(
            "header",
            f"line {line:,} is another header than the first line: files with different columns were joined."
            " Load them as separate files",
            line,
        )
    return True


def _read_layout(text: bytes) -> Layout | None:
    try:
        return read_header(text)
    except BadInputFile:
        return None
