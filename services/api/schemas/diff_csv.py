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
    by_subject: dict[str, list[DiffCause]] = {}
    for cause in store.causes:
        subject = cause.kind if cause.subject is None else f"{cause.kind} {cause.subject}"
        by_subject.setdefault(subject, []).append(cause)
    causes = inert_cells("; ".join(_describe(subject, some) for subject, some in by_subject.items()))
    for name, (before, after) in found.values.items():
        yield inert(found.store_id), found.presence, name, before or "", after or "", causes


def _csv_lines(rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _describe(subject: str, causes: Sequence[DiffCause]) -> str:
    """Name a subject once, with everybody who changed it."""
    polls = sum(cause.polls or 0 for cause in causes)
    count = f" ({polls})" if polls else ""
    said = causes[0]
    terms = f": {said.before or 'none'} -> {said.after or 'none'}" if said.before or said.after else ""
    return f"{subject}{count}{terms} {', '.join(map(_describe_change, causes))}"


def _describe_change(cause: DiffCause) -> str:
    at = "" if cause.changed_at is None else f" at {cause.changed_at:%Y-%m-%dT%H:%M:%SZ}"
    often = f" ({cause.changes} changes)" if cause.changes > 1 else ""
    is_live = cause.source == "live"
    source = f" ({cause.source})" if cause.source and not is_live else ""
    return f"by {cause.changed_by or ('live polls' if is_live else 'command')}{source}{at}{often}"
