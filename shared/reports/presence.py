"""Recovering the work of absent workers: take their leases back, give claims back to those who return, publish retries."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from shared.contracts import ComputeBatch, FinaliseReport, ShortBatch
from shared.db.queries import queries

_SQL = queries("presence")
_MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class Look:
    """What one look found.

    `absent`: numbers of workers that hold leases and have no open session. `has_returned`: a worker whose lease was
    taken back is there again. `has_retries`: a batch waits to be published again. `is_settled`: the server has run for
    long enough that every worker must have come back.
    """

    absent: frozenset[int]
    has_returned: bool
    has_retries: bool
    is_settled: bool


@dataclass(frozen=True)
class TakenBack:
    """Leases that were taken back, and the finalisations among them that are due at once."""

    batches: int
    finalisations: int
    due: tuple[FinaliseReport, ...] = ()


def look(conn: psycopg.Connection, *, settle_s: float, max_attempts: int) -> Look:
    """Look once who is absent and what waits. `conn` is in autocommit mode: nothing is kept open between looks."""
    parameters = {"settle": timedelta(seconds=settle_s), "max_attempts": max_attempts}
    row = conn.execute(_SQL["look"], parameters).fetchone()
    assert row is not None  # noqa: S101 - it selects no table
    return Look(frozenset(row[0]), *row[1:])


def take_back(conn: psycopg.Connection, absent: Collection[int]) -> TakenBack:
    """End the leases of these workers, if they are still absent.

    The first retry is due at once; each further one waits longer (`retry_pause`), so that a passing cause can pass.
    """
    numbers = {"absent": list(absent)}
    batches = conn.execute(_SQL["take_back_batches"], numbers).rowcount
    reports = conn.execute(_SQL["take_back_finalisations"], numbers).fetchall()
    due = tuple(FinaliseReport(report_id=report_id) for report_id, is_due in reports if is_due)
    return TakenBack(batches, len(reports), due)


def return_claims(conn: psycopg.Connection) -> int:
    """Give back the claims of workers that were absent and are there again; returns how many."""
    row = conn.execute(_SQL["return_claims_of_present"]).fetchone()
    return row[0] if row else 0


def take_retries(conn: psycopg.Connection, *, republish_s: float, max_attempts: int) -> list[ComputeBatch]:
    """Return the messages of batches that are due to be tried again and were not published since."""
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
    """Remove what is known of missed claims of reports that have ended; returns how many."""
    return conn.execute(_SQL["forget_missed_claims"]).rowcount
