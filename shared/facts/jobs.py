"""Jobs that compute daily facts: accept, read, cancel. Their batches are claimed and completed like those of reports."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from shared.db.queries import queries
from shared.errors import FactsNotFound, InvalidRequest
from shared.reports.acceptance import Accepted, BatchTerms
from shared.reports.model import NOWHERE, Origin, ReportState
from shared.reports.store_job import (
    StoreJob,
    StoreJobRequest,
    accept_store_job,
    cancel_store_job,
    find_store_job,
    resolve_as_of,
)
from shared.reports.trigger import in_one_snapshot
from shared.uptime.policy import DAY_US, DEFAULT_POLICY, POLICIES, history_us, later_us

_SQL = queries("store_days")
MAX_DAYS = 1_100
# The years in which polls can lie.
KNOWN_YEARS = range(2000, 2101)
# A batch holds `batch_stores` stores if it reads up to twenty days of polls. One more day of facts reads five.
_FULL_BATCH_DAYS = 20


@dataclass(frozen=True)
class FactsRequest:
    """Local dates, both included, of every store. Days that are not final yet are left out."""

    first_day: date
    last_day: date
    policy: str = DEFAULT_POLICY

    def __post_init__(self) -> None:
        if not self.first_day <= self.last_day:
            raise InvalidRequest(
                f"the first day ({self.first_day}) is after the last one ({self.last_day}): exchange them",
                field="body.first_day",
            )
        if self.first_day.year not in KNOWN_YEARS or self.last_day.year not in KNOWN_YEARS:
            raise InvalidRequest(
                f"{self.first_day} to {self.last_day} has no polls: give dates from {KNOWN_YEARS[0]} to {KNOWN_YEARS[-1]}",
                field="body.first_day",
            )
        if (self.last_day - self.first_day).days >= MAX_DAYS:
            raise InvalidRequest(
                f"{(self.last_day - self.first_day).days + 1:,} days are more than a job may have ({MAX_DAYS:,}): request fewer"
                " days at a time",
                field="body.first_day",
            )


@dataclass(frozen=True)
class FactsJob(StoreJob):
    """A job of kind facts."""


async def trigger_facts(
    conn: AsyncConnection,
    request: FactsRequest,
    terms: BatchTerms,
    created_by: str | None = None,
    origin: Origin = NOWHERE,
) -> Accepted:
    """Write a job and its batches and commit. `conn` must be outside a transaction."""

    async def accept() -> Accepted:
        return await accept_facts(conn, request, terms, created_by, origin)

    return await in_one_snapshot(conn, accept)


async def accept_facts(
    conn: AsyncConnection,
    request: FactsRequest,
    terms: BatchTerms,
    created_by: str | None = None,
    origin: Origin = NOWHERE,
) -> Accepted:
    """Do what `trigger_facts` does, in the caller's transaction, which must be one of `in_one_snapshot`."""
    seq, as_of = await resolve_as_of(conn, "now")
    batch_stores = _stores_of_a_batch(request, terms)
    job = StoreJobRequest("facts", **vars(request), as_of=as_of, seq=seq, batch_stores=batch_stores)
    return await accept_store_job(conn, job, terms, created_by, origin)


def _stores_of_a_batch(request: FactsRequest, terms: BatchTerms) -> int:
    policy = POLICIES[request.policy]
    around = (history_us(policy) + later_us(policy)) // DAY_US
    days = (request.last_day - request.first_day).days + 1 + around
    return max(1, min(terms.batch_stores, terms.batch_stores * _FULL_BATCH_DAYS // days))


async def get_job(conn: AsyncConnection, job_id: UUID) -> FactsJob:
    """Return a job. Raises `FactsNotFound`."""
    job = await find_store_job(conn, "facts", job_id, FactsJob)
    if job is None:
        raise FactsNotFound(f"no job of daily facts has the id {job_id}: check the id")
    return job


async def list_jobs(
    conn: AsyncConnection,
    *,
    state: ReportState | None,
    policy: str | None,
    before_id: UUID | None,
    limit: int,
) -> list[FactsJob]:
    """Return up to `limit` jobs with ids below `before_id`, newest first. None: of every state, of every policy."""
    asked = {"state": state, "policy": policy, "before_id": before_id, "limit": limit}
    async with conn.cursor(row_factory=class_row(FactsJob)) as cursor:
        return await (await cursor.execute(_SQL["list_jobs"], asked)).fetchall()


async def cancel_job(conn: AsyncConnection, job_id: UUID) -> bool:
    """Cancel a job unless it has ended; return whether it was canceled now. What its batches have written stays."""
    return await cancel_store_job(conn, "facts", job_id)


async def nightly_job(
    conn: AsyncConnection, policy: str, terms: BatchTerms, after: timedelta, back: timedelta
) -> Accepted | None:
    """Accept the job of this night, once a UTC day and policy, `after` its midnight. None if it is not due."""
    asked = {"policy": policy, "after": after}

    async def accept() -> Accepted | None:
        await conn.execute(_SQL["nightly_lock"])
        due = await fetch_due(conn, asked)
        if due is None:
            return None
        return await accept_facts(conn, FactsRequest(due - back, due - timedelta(days=2), policy), terms)

    return await in_one_snapshot(conn, accept)


async def fetch_due(conn: AsyncConnection, asked: dict[str, object]) -> date | None:
    """Return today's date (UTC) if the night's job of a policy is due."""
    row = await (await conn.execute(_SQL["nightly_due"], asked)).fetchone()
    return row[1] if row and row[0] else None
