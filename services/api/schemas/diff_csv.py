"""The comparison of two reports as CSV."""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence

from services.api.use_cases.diff import DiffCause, DiffRow
from shared.formulas import inert, inert_cells

CSV_COLUMNS = ("store_id", "presence", "column", "before", "after", "causes")


async def render_diff_csv(stores: AsyncIterator[DiffRow]) -> AsyncIterator[str]:
    """Yield a CSV with a row for each value that differs; text is safe for spreadsheets."""
    yield _csv_lines([CSV_COLUMNS])
    async for store in stores:
        yield _csv_lines(_csv_rows(store))


def _csv_rows(store: DiffRow) -> Iterator[Sequence[str]]:
    found = store.difference
    causes = inert_cells("; ".join(_describe(cause) for cause in store.causes))
    for name, (before, after) in found.values.items():
        yield inert(found.store_id), found.presence, name, before or "", after or "", causes


def _csv_lines(rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _describe(cause: DiffCause) -> str:
    what = cause.kind if cause.subject is None else f"{cause.kind} {cause.subject}"
    count = "" if cause.polls is None else f" ({cause.polls})"
    at = "" if cause.changed_at is None else f" at {cause.changed_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"{what}{count} by {cause.changed_by or 'command'}{at}"
