"""Jobs that count the hours of every store and conclude insights from them: accept, read, cancel."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection

from shared.db.queries import queries
from shared.errors import InsightRunNotFound
from shared.insights.terms import DAYS
from shared.reports.acceptance import Accepted, BatchTerms
from shared.reports.model import NOWHERE, Origin
from shared.reports.store_job import (
    StoreJob,
    StoreJobRequest,
    accept_store_job,
    cancel_store_job,
    find_store_job,
    resolve_as_of,
)
from shared.reports.trigger import in_one_snapshot
from shared.uptime.policy import DEFAULT_POLICY

_SQL = queries("insights")
# When the date of yesterday has ended in every time zone, with an hour to spare.
AFTER: Final = timedelta(hours=13)
# The zone that is last to end a date is 12 hours behind UTC.
_LAST_ZONE: Final = timedelta(hours=12)


@dataclass(frozen=True)
class InsightRun(StoreJob):
    """A job of kind insights."""


async def trigger_insights(
    conn: AsyncConnection, terms: BatchTerms, created_by: str | None = None, origin: Origin = NOWHERE
) -> Accepted:
    """Write a job and its batches and commit. `conn` must be outside a transaction."""

    async def accept() -> Accepted:
        return await _accept(conn, terms, created_by, origin)

    return await in_one_snapshot(conn, accept)


async def nightly_run(conn: AsyncConnection, terms: BatchTerms) -> Accepted | None:
    """Accept the run of this day (UTC), once, `AFTER` its midnight. None if it is not due."""

    async def accept() -> Accepted | None:
        await conn.execute(_SQL["nightly_lock"])
        row = await (await conn.execute(_SQL["nightly_due"], {"after": AFTER})).fetchone()
        return await _accept(conn, terms, None, NOWHERE) if row and row[0] else None

    return await in_one_snapshot(conn, accept)


async def _accept(
    conn: AsyncConnection, terms: BatchTerms, created_by: str | None, origin: Origin
) -> Accepted:
    seq, as_of = await resolve_as_of(conn, "latest")
    last_day = last_ended_day(as_of)
    job = StoreJobRequest(
        "insights",
        last_day - timedelta(days=DAYS - 1),
        last_day,
        DEFAULT_POLICY,
        as_of=as_of,
        seq=seq,
        batch_stores=terms.batch_stores,
    )
    return await accept_store_job(conn, job, terms, created_by, origin)


def last_ended_day(as_of: datetime) -> date:
    """Return the last date that has ended in every time zone at an instant."""
    return (as_of.astimezone(UTC) - _LAST_ZONE).date() - timedelta(days=1)


async def get_run(conn: AsyncConnection, run_id: UUID) -> InsightRun:
    """Return a job. Raises `InsightRunNotFound`."""
    run = await find_store_job(conn, "insights", run_id, InsightRun)
    if run is None:
        raise InsightRunNotFound(f"no run of insights has the id {run_id}: check the id")
    return run


async def cancel_run(conn: AsyncConnection, run_id: UUID) -> bool:
    """Cancel a job unless it has ended; return whether it was canceled now. The hours of finished batches stay."""
    return await cancel_store_job(conn, "insights", run_id)
