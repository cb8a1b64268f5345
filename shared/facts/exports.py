"""Jobs that write months of daily facts as Parquet into the bucket: accept, read, cancel. Each batch is a month."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.errors import FactsNotFound, InvalidRequest
from shared.ids import new_id
from shared.reports.acceptance import Accepted
from shared.reports.model import NOWHERE, Origin, ReportState
from shared.reports.trigger import in_one_snapshot
from shared.uptime.policy import DEFAULT_POLICY, POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("facts_export")
MAX_MONTHS: Final = 120
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


def parse_month(text: str, field: str) -> date:
    """Return the first day of a month that is written as 2026-10. Raises `InvalidRequest`."""
    if not _MONTH.fullmatch(text):
        raise InvalidRequest(
            f"invalid month {text[:20]!r}: write year and month, as 2026-10", field=f"body.{field}"
        )
    return date.fromisoformat(f"{text}-01")


@dataclass(frozen=True)
class FactsExportRequest:
    """Months by their first days, both included. None: from the first, or up to the last, month that has facts.

    `force` writes months too that have not changed since they were written.
    """

    first_month: date | None = None
    last_month: date | None = None
    policy: str = DEFAULT_POLICY
    force: bool = False


@dataclass(frozen=True)
class ExportedMonth:
    """An object with a month of facts. `is_current`: no day of the month has changed since."""

    month: date
    object: str
    rows: int
    size_bytes: int
    sha256: str
    written_at: datetime
    is_current: bool


@dataclass(frozen=True)
class FactsExportJob:
    """A job of kind facts_export, with its progress counted from the batches."""

    id: UUID
    state: ReportState
    policy: str
    first_month: date
    last_month: date
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: dict[str, Any] | None
    months_total: int
    months_done: int


async def trigger_export(
    conn: AsyncConnection,
    request: FactsExportRequest,
    republish_s: float,
    created_by: str | None = None,
    origin: Origin = NOWHERE,
) -> Accepted:
    """Write a job and its batches and commit. `conn` must be outside a transaction. Raises `InvalidRequest`."""

    async def accept() -> Accepted:
        return await _accept(conn, request, republish_s, created_by, origin)

    return await in_one_snapshot(conn, accept)


async def _accept(
    conn: AsyncConnection,
    request: FactsExportRequest,
    republish_s: float,
    created_by: str | None,
    origin: Origin,
) -> Accepted:
    job = {
        "id": new_id(),
        **vars(request),
        "policy_version": POLICY_VERSION,
        "tzdata_version": tzdata_version(),
        "created_by": created_by,
        "request_id": origin.request_id,
        "traceparent": origin.traceparent,
    }
    row = await (await conn.execute(_SQL["insert_job"], job)).fetchone()
    if row is None:
        raise InvalidRequest("the first month is after the last one: exchange them", field="body.first_month")
    if (months := row[0]) > MAX_MONTHS:
        raise InvalidRequest(
            f"{months:,} months are more than a job may have ({MAX_MONTHS}): request fewer at a time",
            field="body.first_month",
        )
    batches = {"id": job["id"], "months": months, "republish": timedelta(seconds=republish_s)}
    await conn.execute(_SQL["insert_batches"], batches)
    return Accepted(job["id"], [ComputeBatch(report_id=job["id"], batch_no=n) for n in range(months)])


async def get_export(conn: AsyncConnection, job_id: UUID) -> FactsExportJob:
    """Return a job. Raises `FactsNotFound`."""
    async with conn.cursor(row_factory=class_row(FactsExportJob)) as cursor:
        job = await (await cursor.execute(_SQL["get_job"], {"id": job_id})).fetchone()
    if job is None:
        raise FactsNotFound(f"no export of daily facts has the id {job_id}: check the id")
    return job


async def list_exported(conn: AsyncConnection, job: FactsExportJob) -> Sequence[ExportedMonth]:
    """Return what the bucket holds of the job's months, whichever job wrote it."""
    async with conn.cursor(row_factory=class_row(ExportedMonth)) as cursor:
        return await (await cursor.execute(_SQL["list_files"], vars(job))).fetchall()


async def cancel_export(conn: AsyncConnection, job_id: UUID) -> bool:
    """Cancel a job unless it has ended; return whether it was canceled now. Months that were written stay."""
    return (await conn.execute(_SQL["cancel_job"], {"id": job_id})).rowcount == 1


async def nightly_exports(conn: AsyncConnection, after: timedelta, republish_s: float) -> Sequence[Accepted]:
    """Accept the exports of this night, one for each policy with changed months, `after` midnight UTC."""

    async def accept() -> Sequence[Accepted]:
        # Of two schedulers, one at a time.
        await conn.execute(queries("store_days")["nightly_lock"])
        due = await (await conn.execute(_SQL["nightly_due"], {"after": after})).fetchall()
        return [
            await _accept(conn, FactsExportRequest(first, last, policy), republish_s, None, NOWHERE)
            for policy, first, last in due
        ]

    return await in_one_snapshot(conn, accept)
