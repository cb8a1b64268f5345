"""Finishing a report, fenced: claimed in the database by one worker, committed with the pointer to its file."""

from datetime import timedelta
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from shared.db.queries import queries
from shared.reports.claim import LeaseTerms
from shared.reports.model import FinaliseLease, Part
from shared.storage import StoredObject

_SQL = queries("reports")


def claim_finalise(conn: psycopg.Connection, report_id: UUID, terms: LeaseTerms) -> FinaliseLease | None:
    """Claim the finalisation of a report whose batches are all done; None when some are not, or another holds it.

    Locks the report's row until the transaction ends, so the count of open batches cannot be overtaken.
    """
    with conn.transaction():
        conn.execute(_SQL["lock_report"], {"report_id": report_id})
        if open_batches(conn, report_id) > 0:
            return None
        row = conn.execute(
            _SQL["claim_finalise"],
            {
                "report_id": report_id,
                "worker": terms.worker,
                "lease": timedelta(seconds=terms.lease_s),
                "max_attempts": terms.max_attempts,
            },
        ).fetchone()
    return None if row is None else FinaliseLease(report_id, row[0])


def open_batches(conn: psycopg.Connection, report_id: UUID) -> int:
    """Count the batches of a report that are not done."""
    row = conn.execute(_SQL["open_batches"], {"report_id": report_id}).fetchone()
    return row[0] if row else 0


def list_parts(conn: psycopg.Connection, report_id: UUID) -> list[Part]:
    """Return the parts in the order of the file."""
    return [Part(*row) for row in conn.execute(_SQL["list_parts"], {"report_id": report_id})]


def renew_finalise(conn: psycopg.Connection, lease: FinaliseLease, terms: LeaseTerms) -> bool:
    """Extend the lease; False when it was lost."""
    renewed = conn.execute(
        _SQL["renew_finalise"], {**_fence(lease), "lease": timedelta(seconds=terms.lease_s)}
    )
    return renewed.rowcount == 1


def release_finalise(conn: psycopg.Connection, lease: FinaliseLease, *, error: str, give_back: bool) -> None:
    """Let the scheduler give the finalisation to another worker now; `give_back` as for a batch."""
    conn.execute(
        _SQL["release_finalise"],
        {**_fence(lease), "error": Jsonb({"detail": error}), "give_back": give_back},
    )


def finish_report(
    conn: psycopg.Connection, lease: FinaliseLease, file: StoredObject, *, rows: int, tzdata_version: str
) -> bool:
    """Commit the pointer to the file with `succeeded`; False when the lease was lost, and the file is garbage."""
    finished = conn.execute(
        _SQL["finish_report"],
        {
            **_fence(lease),
            "object": file.key,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
            "rows": rows,
            "tzdata_version": tzdata_version,
        },
    )
    return finished.rowcount == 1


def _fence(lease: FinaliseLease) -> dict[str, object]:
    return {"report_id": lease.report_id, "attempt": lease.attempt}
