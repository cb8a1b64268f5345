"""Taking, keeping and giving back a batch. A lease runs by the database's clock; its attempt number is the fence."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from shared.contracts import ComputeBatch, FinaliseReport, Wake
from shared.db.queries import queries
from shared.reports.model import Batch, BatchLease, Origin

_SQL = queries("reports")


@dataclass(frozen=True)
class LeaseTerms:
    """How leases are given: for `lease_s` seconds, at most `max_attempts` times a batch, to `worker`."""

    worker: str
    lease_s: float
    max_attempts: int


def claim_batch(
    conn: psycopg.Connection, report_id: UUID, batch_no: int, terms: LeaseTerms
) -> BatchLease | None:
    """Claim a batch that nobody holds; counts the attempt now, so that a batch that kills its worker is counted too.

    None when it is done, dead, held by another, or its report has ended.
    """
    row = conn.execute(
        _SQL["claim_batch"], {"report_id": report_id, "batch_no": batch_no, **_claim(terms)}
    ).fetchone()
    return None if row is None else _started(conn, report_id, batch_no, *row)


def claim_next(conn: psycopg.Connection, terms: LeaseTerms, *, only_short: bool = False) -> BatchLease | None:
    """Claim the batch whose turn it is: of the key with the least work in hand, then of its oldest report.

    `only_short`: only the batches of small reports. None when no batch is due.
    """
    row = conn.execute(_SQL["claim_next"], {"only_short": only_short, **_claim(terms)}).fetchone()
    return None if row is None else _started(conn, *row)


def _claim(terms: LeaseTerms) -> dict[str, object]:
    return {
        "worker": terms.worker,
        "lease": timedelta(seconds=terms.lease_s),
        "max_attempts": terms.max_attempts,
    }


def _started(conn: psycopg.Connection, report_id: UUID, batch_no: int, *row: Any) -> BatchLease:
    conn.execute(_SQL["start_report"], {"id": report_id})
    attempt, burnt, request_id, traceparent, *subject = row
    return BatchLease(Batch(report_id, batch_no, *subject), attempt, burnt, Origin(request_id, traceparent))


def renew_batch(conn: psycopg.Connection, lease: BatchLease, terms: LeaseTerms) -> bool:
    """Extend the lease; False when it was lost, and nothing that follows can count."""
    renewed = conn.execute(_SQL["renew_batch"], {**_fence(lease), "lease": timedelta(seconds=terms.lease_s)})
    return renewed.rowcount == 1


def release_batch(
    conn: psycopg.Connection, lease: BatchLease, *, error: str, pause_s: float, give_back: bool
) -> bool:
    """Let others have the batch after `pause_s`; False when another has claimed it, or it is done.

    `give_back` when a server was away: the attempt then does not count against the batch.
    """
    released = conn.execute(
        _SQL["release_batch"],
        {
            **_fence(lease),
            "error": Jsonb({"detail": error}),
            "pause": timedelta(seconds=pause_s),
            "burnt": lease.burnt - give_back,
        },
    )
    return released.rowcount == 1


def holds_leases(conn: psycopg.Connection, worker: str) -> bool:
    """Whether this worker has a batch or a finalisation in hand."""
    row = conn.execute(_SQL["holds_leases"], {"worker": worker}).fetchone()
    return row is not None and row[0]


def release_all(conn: psycopg.Connection, worker: str) -> list[Wake]:
    """Give back all that a worker holds, for others to have at once, and its attempts; returns their messages.

    A thread that is still at work on a batch finds its lease lost, and one on a merge as soon as another has claimed it.
    """
    batches = conn.execute(_SQL["release_batches_of"], {"worker": worker}).fetchall()
    merges = conn.execute(_SQL["release_finalisations_of"], {"worker": worker}).fetchall()
    return [
        *(ComputeBatch(report_id=report_id, batch_no=batch_no) for report_id, batch_no in batches),
        *(FinaliseReport(report_id=report_id) for (report_id,) in merges),
    ]


def _fence(lease: BatchLease) -> dict[str, object]:
    return {"report_id": lease.batch.report_id, "batch_no": lease.batch.batch_no, "attempt": lease.attempt}
