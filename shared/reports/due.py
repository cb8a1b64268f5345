"""Time-driven maintenance: expire leases of silent workers, republish unclaimed batches, fail poison batches."""

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
    """End every expired lease; return how many. Their batches are due at once."""
    return conn.execute(_SQL["expire_leases"]).rowcount


def bury_poison(conn: psycopg.Connection, max_attempts: int) -> list[UUID]:
    """Fail each report whose batch, or whose merge, used up its claims; return their ids."""
    failed = []
    limit = {"max_attempts": max_attempts}
    with conn.transaction():
        for report_id, batch_no, failed_claims, first_id, last_id, stores, error in conn.execute(
            _SQL["bury_batches"], limit
        ):
            scope = {
                "batch_no": batch_no,
                "first_store_id": first_id,
                "last_store_id": last_id,
                "stores": stores,
            }
            _fail_report(conn, report_id, f"batch {batch_no}", failed_claims, error, scope)
            failed.append(report_id)
        for report_id, failed_claims, error in conn.execute(_SQL["unfinishable_reports"], limit):
            _fail_report(conn, report_id, "the merge of its parts", failed_claims, error, {})
            failed.append(report_id)
        failpoints.hit("bury.before_commit")
    return failed


def _fail_report(
    conn: psycopg.Connection,
    report_id: UUID,
    step: str,
    attempts: int,
    error: Any,
    scope: dict[str, Any],
) -> None:
    cause = error.get("detail") if isinstance(error, dict) else error
    cause = cause or "the worker died or went silent"
    problem = {
        "title": "A step of the report failed at every attempt",
        "detail": f"{step} was tried {attempts} times; the last error: {cause}",
        "cause": cause,
        **scope,
    }
    conn.execute(_SQL["fail_report"], {"report_id": report_id, "error": Jsonb(problem)})


def count_pending(conn: psycopg.Connection) -> int:
    """Count the batches that wait for a worker. Each should have a message in Redis."""
    row = conn.execute(_SQL["count_pending"]).fetchone()
    return row[0] if row else 0


def take_due(conn: psycopg.Connection, *, republish_s: float) -> list[ComputeBatch]:
    """Return the messages of due batches, oldest first. They are not due again for `republish_s` seconds."""
    rows = conn.execute(
        _SQL["take_due"], {"republish": timedelta(seconds=republish_s), "limit": _MOST_AT_ONCE}
    )
    return [
        (ShortBatch if is_short else ComputeBatch)(report_id=report_id, batch_no=batch_no)
        for report_id, batch_no, is_short in rows
    ]


def due_finalisations(conn: psycopg.Connection, max_attempts: int) -> list[FinaliseReport]:
    """Return a message for each report whose batches are all done and that no worker is finishing."""
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
