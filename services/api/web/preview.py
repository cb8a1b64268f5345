"""The first rows of a report's CSV, searched and sorted on the server."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest

from services.api.context import ApiContext
from shared.errors import ObjectCorrupt, ObjectGone
from shared.reports.model import FileOfReport, Report
from shared.storage import Storage

SHOWN_ROWS = 50
MOST_BYTES = 32 << 20  # a larger file is downloaded, not looked through here


@dataclass(frozen=True)
class PreviewChoice:
    """Rows whose store id has `text` in it; by the column `sort`, or as in the file if there is no such column."""

    text: str = ""
    sort: str = ""
    descending: bool = False


@dataclass(frozen=True)
class Preview:
    """The first rows that match, and how many there are of them and in all."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    matching: int
    total: int


async def read_preview(context: ApiContext, report: Report, choice: PreviewChoice) -> Preview | None:
    """Return the rows to show; None if the report has no file to read, or one that is too large."""
    file = next((each for each in report.files if each.name == "report.csv"), None)
    if report.state != "succeeded" or file is None or file.size_bytes > MOST_BYTES:
        return None
    try:
        return await context.storage_lane.run(lambda: _read_rows(context.storage, file, choice))
    except (ObjectGone, ObjectCorrupt):
        return None  # the page says which files are lost


def _read_rows(storage: Storage, file: FileOfReport, choice: PreviewChoice) -> Preview:
    content = b"".join(storage.read(file.stored)).decode("utf-8-sig")
    return choose_rows(csv.reader(io.StringIO(content, newline="")), choice)


def choose_rows(lines: Iterable[Sequence[str]], choice: PreviewChoice) -> Preview:
    """Return what to show of lines whose first one is the header."""
    header, *rows = lines
    text = choice.text.casefold()
    found = [row for row in rows if text in row[0].casefold()] if text else rows
    shown: Sequence[Sequence[str]] = found[:SHOWN_ROWS]
    if choice.sort in header:
        column = header.index(choice.sort)
        pick = nlargest if choice.descending else nsmallest
        shown = pick(SHOWN_ROWS, found, key=lambda row: _rank(row[column]))
    return Preview(header, shown, len(found), len(rows))


def _rank(cell: str) -> tuple[bool, float, str]:
    """Order numbers before texts."""
    try:
        return (False, float(cell), "")
    except ValueError:
        return (True, 0.0, cell)
