"""Complete a batch, fenced by its attempt. The last completion also claims the finalisation, in its own transaction."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from shared import failpoints
from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.reports.batch import ONLY_A_PART, BatchLease, BatchResult
from shared.reports.claim import LeaseTerms
from shared.reports.consistency import requeue_stale_batches
from shared.reports.failed_stores import record_failed_stores
from shared.reports.finalise import claim_locked, count_open_batches
from shared.reports.model import FinaliseLease
from shared.storage import StoredObject
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("reports")


@dataclass(frozen=True)
class Completion:
    """`accepted`: the attempt was still the current one. `finalise`: this caller must finish the report now.

    `again`: batches that must run again, because they missed a change that another batch may have seen.
    """

    accepted: bool
    finalise: FinaliseLease | None = None
    again: tuple[ComputeBatch, ...] = ()


def complete_batch(
    conn: psycopg.Connection,
    lease: BatchLease,
    part: StoredObject,
    terms: LeaseTerms,
    *,
    read_seq: int,
    result: BatchResult = ONLY_A_PART,
) -> Completion:
    """Record the part of a batch and its other results. `read_seq` is the ledger number of the snapshot it read.

    The report's row is locked first. So the completions of one report follow each other, and exactly one is the last.
    """
    with conn.transaction():
        completion = _complete_locked(conn, lease, part, terms, read_seq, result)
        failpoints.hit("complete.before_commit")
    return completion


def complete_job(
    conn: psycopg.Connection,
    lease: BatchLease,
    terms: LeaseTerms,
    *,
    read_seq: int,
    result: BatchResult,
    write: Callable[[], None],
) -> Completion:
    """Do what `complete_batch` does for a batch of a job that is not a report: such a batch has no part.

    `write` writes its results in the same transaction, once the attempt is known to be the current one.
    """
    with conn.transaction():
        completion = _complete_locked(conn, lease, None, terms, read_seq, result)
        if completion.accepted:
            write()
        failpoints.hit("complete.before_commit")
    return completion


def _complete_locked(
    conn: psycopg.Connection,
    lease: BatchLease,
    part: StoredObject | None,
    terms: LeaseTerms,
    read_seq: int,
    result: BatchResult,
) -> Completion:
    report_id = lease.batch.report_id
    conn.execute(_SQL["lock_report"], {"report_id": report_id})
    completed = conn.execute(
        _SQL["complete_batch"],
        {
            "report_id": report_id,
            "batch_no": lease.batch.batch_no,
            "attempt": lease.attempt,
            "part": part and part.key,
            "size_bytes": part and part.size_bytes,
            "sha256": part and part.sha256,
            "read_seq": read_seq,
            "tzdata_version": tzdata_version(),
            **result.as_row(),
        },
    )
    if completed.rowcount != 1:
        return Completion(accepted=False)
    record_failed_stores(conn, report_id, lease.batch.batch_no, result.failed)
    if count_open_batches(conn, report_id) > 0:
        return Completion(accepted=True)
    # Facts need not agree with each other: each store's know up to which ledger number they hold.
    if lease.batch.kind == "report" and (again := requeue_stale_batches(conn, lease.batch)):
        wakes = tuple(ComputeBatch(report_id=report_id, batch_no=batch_no) for batch_no in again)
        return Completion(accepted=True, again=wakes)
    return Completion(accepted=True, finalise=claim_locked(conn, report_id, terms, lease.claim_id))
