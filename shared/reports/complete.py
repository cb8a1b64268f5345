"""Completing a batch, fenced. The completion that leaves no open batch claims the finalisation in its own transaction."""

from dataclasses import dataclass

import psycopg

from shared import failpoints
from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.reports.agree import send_disagreeing_again
from shared.reports.claim import LeaseTerms
from shared.reports.finalise import claim_finalise, open_batches
from shared.reports.model import BatchLease, FinaliseLease
from shared.storage import StoredObject

_SQL = queries("reports")


@dataclass(frozen=True)
class Completion:
    """`accepted`: the fence let it through. `finalise`: this caller is to finish the report now.

    `again`: batches that are due once more, since they were read before a change that another batch has seen.
    """

    accepted: bool
    finalise: FinaliseLease | None = None
    again: tuple[ComputeBatch, ...] = ()


def complete_batch(
    conn: psycopg.Connection, lease: BatchLease, part: StoredObject, terms: LeaseTerms, *, data_cut: int
) -> Completion:
    """Record the part; `data_cut` is the ledger's number in the snapshot that the polls were read in.

    The report's row is locked first: completions of one report follow each other, so exactly one is the last.
    """
    with conn.transaction():
        completion = _complete(conn, lease, part, terms, data_cut)
        failpoints.hit("complete.before_commit")
    return completion


def _complete(
    conn: psycopg.Connection, lease: BatchLease, part: StoredObject, terms: LeaseTerms, data_cut: int
) -> Completion:
    report_id = lease.batch.report_id
    conn.execute(_SQL["lock_report"], {"report_id": report_id})
    completed = conn.execute(
        _SQL["complete_batch"],
        {
            "report_id": report_id,
            "batch_no": lease.batch.batch_no,
            "attempt": lease.attempt,
            "part": part.key,
            "size_bytes": part.size_bytes,
            "sha256": part.sha256,
            "data_cut": data_cut,
        },
    )
    if completed.rowcount != 1:
        return Completion(accepted=False)
    if open_batches(conn, report_id) > 0:
        return Completion(accepted=True)
    if again := send_disagreeing_again(conn, report_id):
        wakes = tuple(ComputeBatch(report_id=report_id, batch_no=batch_no) for batch_no in again)
        return Completion(accepted=True, again=wakes)
    return Completion(accepted=True, finalise=claim_finalise(conn, report_id, terms, lease.claim_id))
