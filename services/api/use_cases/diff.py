"""Compare two reports: which stores differ, and which changes of data between their cuts are the causes."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import dict_row

from services.api.context import ApiContext
from services.api.use_cases.cause_terms import describe_terms
from services.api.use_cases.reports import find_file
from services.api.use_cases.sealed_polls import StoreNames, lock_polls, sealed_parameters
from shared.db.connect import borrowed_async
from shared.db.history import FIND_GONE, GoneData
from shared.db.queries import queries
from shared.errors import DataForgotten, FileLost, ObjectLost, ReportExpired, ReportsNotComparable
from shared.inputs.data_range import DataRange
from shared.keys import StoreScope
from shared.reports.compare import ReportComparison, StoreDifference
from shared.reports.consistency import data_range
from shared.reports.formats import file_name
from shared.reports.model import Report
from shared.storage import StoredObject
from shared.uptime.window import window_names

_SQL = queries("history")
_CAUSES = _SQL["causes"]
_CSV = file_name("csv")
_SAME = ("as_of", "policy", "windows", "detail", "exclude_reasons")


@dataclass(frozen=True)
class DiffCause:
    """What changed of one store's data between the two cuts, and by which key. Several changes of one subject are one cause.

    The import, its source and the time are those of the last of these `changes`. `subject`: the closure, the calendar, or the
    date of special hours or from which hours hold. `before` and `after`: hours, special hours or the zone in words, None if
    there were none. For polls: how many, and the first and the last.
    """

    kind: str
    subject: str | None
    import_id: UUID | None
    source: str | None
    changed_by: str | None
    before: str | None
    after: str | None
    changed_at: datetime | None
    changes: int
    polls: int | None
    first_poll_at: datetime | None
    last_poll_at: datetime | None


@dataclass(frozen=True)
class DiffRow:
    """A store that differs, with the causes."""

    difference: StoreDifference
    causes: Sequence[DiffCause]


@dataclass(frozen=True)
class ReportPair:
    """Two comparable reports with their files. `causes_complete`: no change between them was forgotten.

    `shows_sources`: the caller sees all stores, and so the names of files and calls, which hold other stores.
    """

    before: Report
    after: Report
    causes_complete: bool
    shows_sources: bool


async def read_pair(
    context: ApiContext, report_id: UUID, against_id: UUID, visible: StoreScope
) -> ReportPair:
    """Return the reports. Raises `ReportNotFound`, `ReportsNotComparable`, and as `find_file` does."""
    after = await context.reads.read_report(report_id, visible)
    before = await context.reads.read_report(against_id, visible)
    _refuse_different(before, after)
    for report in (before, after):
        try:
            file = find_file(report, _CSV)
        except ReportExpired as error:
            raise ReportExpired(
                f"report {report.id} has expired and its files were removed: make it again with"
                f' POST /v1/reports/{report.id}/revisions and {{"cut": "original"}}, and compare with that revision'
            ) from error
        await context.files.require_file(report, file)
    async with borrowed_async(context.pools.reading) as conn:
        needed = _needed(after)
        low = min(before.accepted_seq, after.accepted_seq)
        cursor = await conn.execute(FIND_GONE, {"seq": low, **needed._asdict()})
        try:
            for oldest, weeks in await cursor.fetchall():
                GoneData(oldest, weeks).refuse(low)
        except DataForgotten:
            return ReportPair(before, after, causes_complete=False, shows_sources=visible.labels is None)
    return ReportPair(before, after, causes_complete=True, shows_sources=visible.labels is None)


def compare(context: ApiContext, pair: ReportPair, after_id: str | None = None) -> ReportComparison:
    """Begin to compare the files after the store `after_id`. Nothing is read yet."""
    return ReportComparison(_read_csv(context, pair.before), _read_csv(context, pair.after), after_id)


async def read_differences(
    context: ApiContext, pair: ReportPair, comparison: ReportComparison, most: int
) -> list[DiffRow]:
    """Return the next stores that differ, with their causes. Raises `StorageUnavailable` and `FileLost`."""
    try:
        found = await context.storage_lane.run(lambda: comparison.read_some(most))
    except ObjectLost as error:
        raise FileLost(
            f"{error}: make the report again with POST /v1/reports/{{report_id}}/revisions"
        ) from error
    if not found:
        return []
    causes = await _read_causes(context, pair, [difference.store_id for difference in found])
    return [DiffRow(difference, causes[difference.store_id]) for difference in found]


async def each_difference(
    context: ApiContext, pair: ReportPair, *, at_once: int = 200
) -> AsyncIterator[DiffRow]:
    """Yield every store that differs, in bounded memory."""
    comparison = compare(context, pair)
    while found := await read_differences(context, pair, comparison, at_once):
        for store in found:
            yield store


def _read_csv(context: ApiContext, report: Report) -> Iterator[bytes]:
    file = find_file(report, _CSV)
    return context.storage.read(StoredObject(file.object, file.size_bytes, file.sha256))


def _needed(report: Report) -> DataRange:
    return data_range(report.as_of, report.policy, report.windows, finds_outages=report.detail)


def _refuse_different(before: Report, after: Report) -> None:
    for name in _SAME:
        values: list[Any] = [getattr(report, name) for report in (before, after)]
        if values[0] != values[1]:
            if name == "windows":
                values = [" ".join(window_names(windows)) for windows in values]
            elif name == "exclude_reasons":
                values = [" ".join(words) or "none" for words in values]
            shown = " and ".join(map(_show, values))
            raise ReportsNotComparable(
                f"the reports differ in {name} ({shown}): compare revisions of one report"
                " (POST /v1/reports/{report_id}/revisions)"
            )


def _show(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


@asynccontextmanager
async def _one_snapshot(conn: AsyncConnection) -> AsyncIterator[None]:
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with conn.transaction():
            yield
    finally:
        await conn.set_isolation_level(None)


async def _read_causes(
    context: ApiContext, pair: ReportPair, store_ids: Sequence[str]
) -> defaultdict[str, list[DiffCause]]:
    cuts = sorted((pair.before.accepted_seq, pair.after.accepted_seq))
    needed = _needed(pair.after)
    asked = {"store_ids": store_ids, "low": cuts[0], "high": cuts[1], **needed._asdict()}
    causes = defaultdict[str, list[DiffCause]](list)
    async with (
        borrowed_async(context.pools.reading) as conn,
        _one_snapshot(conn),
        conn.cursor(row_factory=dict_row) as cursor,
    ):
        await lock_polls(conn)
        rows = await (await conn.execute(_SQL["named_stores"], {"store_ids": store_ids})).fetchall()
        names = StoreNames([key for key, _ in rows], [store_id for _, store_id in rows])
        old = await context.sealed.read(conn, names, needed.from_time, needed.to_time)
        asked |= sealed_parameters(old.pick(old.seq > cuts[0]))
        # Planned each time: a generic plan would visit every week of polls.
        await cursor.execute(_CAUSES, asked, prepare=False)
        async for row in cursor:
            said = {name: describe_terms(row["kind"], row[name]) for name in ("before", "after")}
            shown = said if pair.shows_sources else said | {"source": None}
            causes[row.pop("store_id")].append(DiffCause(**{**row, **shown}))
    return causes
