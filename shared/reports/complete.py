"""Completing a batch, fenced. The completion that leaves no open batch claims the finalisation in its own transaction."""

from dataclasses import dataclass

import psycopg

from shared.db.queries import queries
from shared.reports.claim import LeaseTerms
from shared.reports.finalise import claim_finalise
from shared.reports.model import BatchLease, FinaliseLease
from shared.storage import StoredObject

_SQL = queries("reports")


@dataclass(frozen=True)
class Completion:
    """`accepted`: the fence let it through. `finalise`: this caller is to finish the report now."""

    accepted: bool
    finalise: FinaliseLease | None = None


def complete_batch(
    conn: psycopg.Connection, lease: BatchLease, part: StoredObject, terms: LeaseTerms, *, data_cut: int
) -> Completion:
    """Record the part; `data_cut` is the ledger's number in the snapshot that the polls were read in.

    The report's row is locked first: completions of one report follow each other, so exactly one is the last.
    """
    with conn.transaction():
        conn.execute(_SQL["lock_report"], {"report_id": lease.report_id})
        completed = conn.execute(
            _SQL["complete_batch"],
            {
                "report_id": lease.report_id,
                "batch_no": lease.batch_no,
                "attempt": lease.attempt,
                "part": part.key,
                "size_bytes": part.size_bytes,
                "sha256": part.sha256,
                "data_cut": data_cut,
            },
        )
        if completed.rowcount != 1:
            return Completion(accepted=False)
        return Completion(accepted=True, finalise=claim_finalise(conn, lease.report_id, terms))
