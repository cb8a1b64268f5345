"""Recover the work of absent workers: take back their leases, return the claims of those that come back, publish retries."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from shared.contracts import ComputeBatch, FinaliseReport, ShortBatch
from shared.db.queries import queries

_SQL = queries("presence")
_MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class PresenceCheck:
    """The result of one check.

    `absent`: numbers of workers that hold leases and have no open session. `has_returned`: a worker whose lease was
    taken back has a session again. `has_retries`: a batch waits to be published again. `is_past_grace`: the server has
    run long enough for every worker to reconnect.
    """

    absent: frozenset[int]
    has_returned: bool
    has_retries: bool
    is_past_grace: bool


@dataclass(frozen=True)
class TakenBack:
    """How many leases were taken back, and the finalisations among them that are due at once."""

    batches: int
    finalisations: int
    due: tuple[FinaliseReport, ...] = ()


def check_presence(conn: psycopg.Connection, *, grace_s: float, max_attempts: int) -> PresenceCheck:
    """Check which workers are absent and what waits. `conn` is in autocommit mode, so no transaction stays open."""
    parameters = {"grace": timedelta(seconds=grace_s), "max_attempts": max_attempts}
    row = conn.execute(_SQL["presence_check"], parameters).fetchone()
    assert row is not None  # noqa: S101 - it selects no table
    return PresenceCheck(frozenset(row[0]), *row[1:])


def take_back(conn: psycopg.Connection, absent: Collection[int]) -> TakenBack:
    """End the leases of these workers if they are still absent.

    The first retry is due at once. Each further one waits longer (`retry_pause`), so that a temporary cause can pass.
    """
    numbers = {"absent": list(absent)}
    batches = conn.execute(_SQL["take_back_batches"], numbers).rowcount
    reports = conn.execute(_SQL["take_back_finalisations"], numbers).fetchall()
    due = tuple(FinaliseReport(report_id=report_id) for report_id, is_due in reports if is_due)
    return TakenBack(batches, len(reports), due)


def return_claims(conn: psycopg.Connection) -> int:
    """Return the claims of workers that were absent and have a session again; return how many."""
    row = conn.execute(_SQL["return_claims_of_present"]).fetchone()
    return row[0] if row else 0


def take_retries(conn: psycopg.Connection, *, republish_s: float, max_attempts: int) -> list[ComputeBatch]:
    """Return the messages of batches that are due for a retry and were not published since."""
    parameters = {
        "republish": timedelta(seconds=republish_s),
        "max_attempts": max_attempts,
        "limit": _MOST_AT_ONCE,
    }
    rows = conn.execute(_SQL["take_retries"], parameters)
    return [
        (ShortBatch if is_short else ComputeBatch)(report_id=report_id, batch_no=batch_no)
        for report_id, batch_no, is_short in rows
    ]


def forget_missed_claims(conn: psycopg.Connection) -> int:
    """Delete the missed claims of reports that have ended; return how many."""
    return conn.execute(_SQL["forget_missed_claims"]).rowcount
