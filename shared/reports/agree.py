"""One data cut a report: all its batches must have read the same committed polls, hours and zones.

Optimistic: each batch records the ledger number of its snapshot. When all are done, those that missed a change that
others may have seen are sent round again, for a bounded number of rounds; after that the worker that finishes the
report computes them itself, in one snapshot of its own, which no import can starve.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import psycopg

from shared.db.queries import queries
from shared.reports.model import Batch, FinaliseLease
from shared.storage import StoredObject
from shared.uptime.policy import POLICIES, every_poll_us, history_us
from shared.uptime.window import longest_reach_us, parse_windows

MAX_ROUNDS = 3
_SQL = queries("reports")


class Subject(NamedTuple):
    """What all batches of a report have in common; the rest of a `Batch`."""

    as_of: datetime
    policy: str
    detail: bool
    windows: Sequence[str]
    data_cut: int


class _Missed(NamedTuple):
    """A batch that missed a change, and how often it has gone round."""

    round_no: int
    batch_no: int
    first_id: str | None
    last_id: str | None
    stores: int
    store_keys: Sequence[int] | None


class DataRange(NamedTuple):
    """The first and the last instant whose polls can matter; before `every_from` only a store's last one can."""

    from_time: datetime
    every_from: datetime
    to_time: datetime


def data_range(as_of: datetime, policy: str, windows: Sequence[str]) -> DataRange:
    """Return which polls a report needs."""
    rules, reach_us = POLICIES[policy], longest_reach_us(parse_windows(windows))
    oldest, every = (
        as_of - timedelta(microseconds=reach_us + before_us)
        for before_us in (history_us(rules), every_poll_us(rules))
    )
    return DataRange(oldest, every, as_of)


def send_disagreeing_again(conn: psycopg.Connection, report_id: UUID) -> list[int]:
    """Send batches of a done report round again; returns their numbers: none when all agree, or the rounds are used up.

    The caller's transaction holds the report's row.
    """
    newest = conn.execute(_SQL["newest_cut"], {"report_id": report_id}).fetchone()
    subject = _subject(conn, report_id)
    if newest is None or subject is None:
        return []
    rows = _disagreeing(conn, report_id, subject, newest[0])
    if not rows or max(row.round_no for row in rows) >= MAX_ROUNDS:
        return []
    again = [row.batch_no for row in rows]
    conn.execute(_SQL["send_again"], {"report_id": report_id, "batch_nos": again})
    return again


def disagreeing_batches(conn: psycopg.Connection, report_id: UUID, until: int) -> list[Batch]:
    """Return the batches that missed a change that a reader at ledger number `until` sees."""
    subject = _subject(conn, report_id)
    if subject is None:
        return []
    return [Batch(report_id, *row[1:], *subject) for row in _disagreeing(conn, report_id, subject, until)]


def newest_cut(conn: psycopg.Connection, report_id: UUID) -> int:
    """Return the newest ledger number that a batch of the report was read at."""
    row = conn.execute(_SQL["newest_cut"], {"report_id": report_id}).fetchone()
    return row[0] if row and row[0] is not None else 0


def replace_part(
    conn: psycopg.Connection, lease: FinaliseLease, batch_no: int, part: StoredObject, *, data_cut: int
) -> bool:
    """Put a part in the place of a batch's own; False when the finalisation was lost."""
    replaced = conn.execute(
        _SQL["replace_part"],
        {
            "report_id": lease.report_id,
            "attempt": lease.attempt,
            "batch_no": batch_no,
            "part": part.key,
            "size_bytes": part.size_bytes,
            "sha256": part.sha256,
            "data_cut": data_cut,
        },
    )
    return replaced.rowcount == 1


def _subject(conn: psycopg.Connection, report_id: UUID) -> Subject | None:
    row = conn.execute(_SQL["report_subject"], {"report_id": report_id}).fetchone()
    return None if row is None else Subject(*row)


def _disagreeing(conn: psycopg.Connection, report_id: UUID, subject: Subject, until: int) -> list[_Missed]:
    needed = data_range(subject.as_of, subject.policy, subject.windows)
    rows = conn.execute(
        _SQL["disagreeing_batches"],
        {
            "report_id": report_id,
            "until": until,
            "from_time": needed.from_time,
            "to_time": needed.to_time,
        },
    )
    return [_Missed(*row) for row in rows]
