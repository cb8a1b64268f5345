"""Claim, renew and release batches. A lease runs by the database's clock; its attempt number is the fence."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from shared.contracts import ComputeBatch, FinaliseReport, Wake
from shared.db.queries import queries
from shared.ids import new_id
from shared.reports.batch import Batch, BatchLease
from shared.reports.model import Origin

_SQL = queries("reports")
_PRESENCE_SQL = queries("presence")
# A batch waits this long for the worker that remembers its stores. Then any worker may take it.
HOME_GRACE = timedelta(seconds=0.15)


@dataclass(frozen=True)
class LeaseTerms:
    """The terms of leases: `lease_s` seconds each, at most `max_attempts` claims per batch, for `worker`.

    `presence` returns the number whose lock the worker holds right now. None: its leases only expire.
    """

    worker: str
    lease_s: float
    max_attempts: int
    presence: Callable[[], int | None] = lambda: None


def claim_batch(
    conn: psycopg.Connection, report_id: UUID, batch_no: int, terms: LeaseTerms, claim_id: UUID | None = None
) -> BatchLease | None:
    """Claim a batch that no worker holds. The claim counts at once, so a batch that kills its worker counts too.

    `claim_id` is for `undo_claim`. Return None if the batch is done, dead or held, or if its report has ended.
    """
    claim_id = claim_id or new_id()
    row = conn.execute(
        _SQL["claim_batch"],
        {"report_id": report_id, "batch_no": batch_no, **_claim_values(terms, claim_id)},
    ).fetchone()
    return None if row is None else _make_lease(claim_id, report_id, batch_no, *row)


def claim_next(
    conn: psycopg.Connection, terms: LeaseTerms, claim_id: UUID | None = None, *, only_short: bool = False
) -> BatchLease | None:
    """Claim the batch whose turn it is: of the key with the least work in hand, then of its oldest report.

    A batch at home at another worker is claimed only after `HOME_GRACE`, and after those of this worker. `only_short`
    limits it to the batches of small reports. Return None if no batch is due.
    """
    claim_id = claim_id or new_id()
    row = conn.execute(
        _SQL["claim_next"],
        {"only_short": only_short, "grace": HOME_GRACE, **_claim_values(terms, claim_id)},
        # Planning takes 0.9 ms, the rest 0.4. A session plans five times after preparing, and prepares late by itself.
        prepare=True,
    ).fetchone()
    return None if row is None else _make_lease(claim_id, *row)


def home_grace_left_s(conn: psycopg.Connection, report_id: UUID, batch_no: int, terms: LeaseTerms) -> float:
    """Return for how many seconds a batch still waits for another worker, its home. 0 if it does not."""
    row = conn.execute(
        _SQL["home_grace_left"],
        {"report_id": report_id, "batch_no": batch_no, "presence": terms.presence(), "grace": HOME_GRACE},
    ).fetchone()
    return 0.0 if row is None else max(0.0, row[0])


def _claim_values(terms: LeaseTerms, claim_id: UUID) -> dict[str, object]:
    return {
        "worker": terms.worker,
        "presence": terms.presence(),
        "claim_id": claim_id,
        "lease": timedelta(seconds=terms.lease_s),
        "max_attempts": terms.max_attempts,
    }


def _make_lease(claim_id: UUID, report_id: UUID, batch_no: int, *row: Any) -> BatchLease:
    attempt, is_last, request_id, traceparent, *subject = row
    return BatchLease(
        Batch(report_id, batch_no, *subject), attempt, claim_id, is_last, Origin(request_id, traceparent)
    )


def renew_batch(conn: psycopg.Connection, lease: BatchLease, terms: LeaseTerms) -> bool:
    """Extend the lease. Return False if it was lost, or if the report has ended: then no later result counts."""
    renewed = conn.execute(
        _SQL["renew_batch"], {**_fence_of(lease), "lease": timedelta(seconds=terms.lease_s)}
    )
    return renewed.rowcount == 1


def release_batch(
    conn: psycopg.Connection, lease: BatchLease, *, error: str, pause_s: float, give_back: bool
) -> bool:
    """Release the batch so that another worker can claim it after `pause_s`. Return False if it was claimed or finished.

    With `give_back` the claim does not count, as after an outage. Otherwise it counts, and the batch waits longer after
    each such claim.
    """
    conn.execute(_PRESENCE_SQL["return_batch_claim" if give_back else "count_batch_claim"], _fence_of(lease))
    released = conn.execute(
        _SQL["release_batch"],
        {
            **_fence_of(lease),
            "error": Jsonb({"detail": error}),
            "pause": timedelta(seconds=pause_s),
            "give_back": give_back,
        },
    )
    return released.rowcount == 1


def return_claim(conn: psycopg.Connection, lease: BatchLease) -> bool:
    """Return the claim of a lost lease whose worker is alive. Return False if there is no such claim any more."""
    return conn.execute(_PRESENCE_SQL["return_batch_claim"], _fence_of(lease)).rowcount == 1


def undo_claim(conn: psycopg.Connection, claim_id: UUID) -> None:
    """Undo a claim whose answer was lost, if it was made."""
    row = conn.execute(_PRESENCE_SQL["claimed_batch"], {"claim_id": claim_id}).fetchone()
    if row is not None:
        report_id, batch_no = row
        claim = {"report_id": report_id, "batch_no": batch_no, "claim_id": claim_id}
        conn.execute(_PRESENCE_SQL["undo_batch_claim"], claim)


def holds_leases(conn: psycopg.Connection, worker: str) -> bool:
    """Return whether this worker holds a batch or a finalisation."""
    row = conn.execute(_SQL["holds_leases"], {"worker": worker}).fetchone()
    return row is not None and row[0]


def release_all(conn: psycopg.Connection, worker: str) -> list[Wake]:
    """Release everything that a worker holds, without counting the claims; return the messages for other workers.

    A thread that still works on a batch finds its lease lost. One that merges does so once another worker has claimed.
    """
    batches = conn.execute(_SQL["release_batches_of"], {"worker": worker}).fetchall()
    merges = conn.execute(_SQL["release_finalisations_of"], {"worker": worker}).fetchall()
    return [
        *(ComputeBatch(report_id=report_id, batch_no=batch_no) for report_id, batch_no in batches),
        *(FinaliseReport(report_id=report_id) for (report_id,) in merges),
    ]


def _fence_of(lease: BatchLease) -> dict[str, object]:
    return {"report_id": lease.batch.report_id, "batch_no": lease.batch.batch_no, "attempt": lease.attempt}
