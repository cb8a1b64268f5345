"""What time alone makes due: silent workers' leases end, unclaimed batches are published again, poison is buried."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from shared import failpoints
from shared.contracts import ComputeBatch, FinaliseReport, ShortBatch
from shared.db.queries import queries

_SQL = queries("reports")
_MOST_AT_ONCE = 1000


def expire_leases(conn: psycopg.Connection) -> int:
    """End every lease that is over; returns how many. Their batches are due at once."""
    return conn.execute(_SQL["expire_leases"]).rowcount


def bury_poison(conn: psycopg.Connection, max_attempts: int) -> list[UUID]:
    """Fail each report of which a batch, or the merge, used up its attempts; returns their ids."""
    failed = []
    limit = {"max_attempts": max_attempts}
    with conn.transaction():
        for report_id, batch_no, burnt, first_id, last_id, stores, error in conn.execute(
            _SQL["bury_batches"], limit
        ):
            scope = {
                "batch_no": batch_no,
                "first_store_id": first_id,
                "last_store_id": last_id,
                "stores": stores,
            }
            _fail(conn, report_id, f"batch {batch_no}", burnt, error, scope)
            failed.append(report_id)
        for report_id, burnt, error in conn.execute(_SQL["unfinishable_reports"], limit):
            _fail(conn, report_id, "the merge of its parts", burnt, error, {})
            failed.append(report_id)
        failpoints.hit("bury.before_commit")
    return failed


def _fail(
    conn: psycopg.Connection,
    report_id: UUID,
    step: str,
    attempts: int,
    error: dict[str, Any] | None,
    scope: dict[str, Any],
) -> None:
    cause = (error or {}).get("detail", "the worker died or went silent")
    problem = {
        "title": "A step of the report failed again and again",
        "detail": f"{step} was tried {attempts} times; the last time: {cause}",
        "cause": cause,
        **scope,
    }
    conn.execute(_SQL["fail_report"], {"report_id": report_id, "error": Jsonb(problem)})


def count_pending(conn: psycopg.Connection) -> int:
    """Count the batches that wait for a worker: each should have a message in Redis."""
    row = conn.execute(_SQL["count_pending"]).fetchone()
    return row[0] if row else 0


def take_due(conn: psycopg.Connection, *, republish_s: float) -> list[ComputeBatch]:
    """Return the messages of due batches, oldest first; they are not due again for `republish_s` seconds."""
    rows = conn.execute(
        _SQL["take_due"], {"republish": timedelta(seconds=republish_s), "limit": _MOST_AT_ONCE}
    )
    return [
        (ShortBatch if is_short else ComputeBatch)(report_id=report_id, batch_no=batch_no)
        for report_id, batch_no, is_short in rows
    ]


def due_finalisations(conn: psycopg.Connection, max_attempts: int) -> list[FinaliseReport]:
    """Return a message for each report whose batches are done and that nobody is finishing."""
    rows = conn.execute(_SQL["due_finalisations"], {"max_attempts": max_attempts})
    return [FinaliseReport(report_id=report_id) for (report_id,) in rows]


def take_due_finalisations(
    conn: psycopg.Connection, *, max_attempts: int, republish_s: float, again: bool
) -> list[FinaliseReport]:
    """Return a message for each report that became due to be finished since it last had one.

    With `again` also for those whose message was published more than `republish_s` seconds ago.
    """
    parameters = {
        "max_attempts": max_attempts,
        "republish": timedelta(seconds=republish_s),
        "again": again,
        "limit": _MOST_AT_ONCE,
    }
    rows = conn.execute(_SQL["take_due_finalisations"], parameters)
    return [FinaliseReport(report_id=report_id) for (report_id,) in rows]
