"""Jobs over every store besides reports, such as daily facts and insights: accept, read, cancel.

Their batches are claimed and completed like those of reports. Must not know what a kind of job computes.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.ids import new_id
from shared.reports.acceptance import Accepted, BatchTerms
from shared.reports.model import Origin, ReportState
from shared.uptime.policy import POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_SQL, _REPORTS = queries("store_jobs"), queries("reports")
StoreJobKind = Literal["facts", "insights"]


@dataclass(frozen=True)
class StoreJob:
    """A job with its progress counted from the batches."""

    id: UUID
    state: ReportState
    policy: str
    first_day: date
    last_day: date
    as_of: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: dict[str, Any] | None
    stores_total: int
    stores_done: int
    stores_failed: int


@dataclass(frozen=True)
class StoreJobRequest:
    """What a job computes for local dates, both included, with the data up to `seq`. A batch has at most `batch_stores`."""

    kind: StoreJobKind
    first_day: date
    last_day: date
    policy: str
    as_of: datetime
    seq: int
    batch_stores: int


Job = TypeVar("Job", bound=StoreJob)


async def resolve_as_of(conn: AsyncConnection, mode: Literal["latest", "now"]) -> tuple[int, datetime]:
    """Return the ledger number that a job is accepted at, and the newest poll or the present."""
    cursor = await conn.execute(_REPORTS["resolve_as_of"], {"as_of_mode": mode, "as_of": None})
    ((seq, as_of),) = await cursor.fetchall()
    return seq, as_of


async def accept_store_job(
    conn: AsyncConnection, request: StoreJobRequest, terms: BatchTerms, created_by: str | None, origin: Origin
) -> Accepted:
    """Write a job and its batches, in the caller's transaction, which must be one of `in_one_snapshot`."""
    parameters = {
        "id": new_id(),
        **vars(request),
        "accepted_seq": request.seq,
        "policy_version": POLICY_VERSION,
        "tzdata_version": tzdata_version(),
        "created_by": created_by,
        "request_id": origin.request_id,
        "traceparent": origin.traceparent,
        "short_stores": 0,
        "republish": timedelta(seconds=terms.republish_s),
    }
    await conn.execute(_SQL["insert_job"], parameters)
    found = await terms.ranges.ranges_at(conn, parameters)
    ranges = {"first_ids": found.first_ids, "last_ids": found.last_ids, "range_stores": found.stores}
    await conn.execute(_REPORTS["insert_ranges"], {**parameters, **ranges})
    wakes = [ComputeBatch(report_id=parameters["id"], batch_no=n) for n in range(len(found.stores))]
    return Accepted(parameters["id"], wakes)


async def find_store_job(
    conn: AsyncConnection, kind: StoreJobKind, job_id: UUID, as_type: type[Job]
) -> Job | None:
    """Return a job; None if no job of the kind has the id."""
    async with conn.cursor(row_factory=class_row(as_type)) as cursor:
        return await (await cursor.execute(_SQL["get_job"], {"kind": kind, "id": job_id})).fetchone()


async def cancel_store_job(conn: AsyncConnection, kind: StoreJobKind, job_id: UUID) -> bool:
    """Cancel a job unless it has ended; return whether it was canceled now. What its batches have written stays."""
    return (await conn.execute(_SQL["cancel_job"], {"kind": kind, "id": job_id})).rowcount == 1
