"""What is forgotten when it is old: weeks of polls, rejected rows, ended imports and reports, Idempotency-Keys.

Each takes a connection in autocommit mode and, but for the keys, a number of days, of which 0 keeps everything.
"""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import structlog

from shared.db.queries import queries
from shared.ids import new_id
from shared.metrics.registry import REPORT_LATENCY
from shared.reports.retention import remove_files
from shared.storage import Storage

_SQL = queries("retention")
_MOST_AT_ONCE = 100
_ROWS_AT_ONCE = 10_000  # of the ledger, in one transaction that holds up writers
_STEPS_AT_ONCE = 100  # the housekeeper has other work
_log = structlog.get_logger()


def drop_old_weeks(conn: psycopg.Connection, keep_days: int) -> Iterator[str]:
    """Drop each week of polls that ended so long ago, the oldest first; yields the names of the partitions.

    Stops at one that somebody has been reading for seconds: readers behind the drop would wait. The next round tries again.
    """
    while keep_days:
        try:
            with conn.transaction():
                conn.execute(_SQL["patience"])
                parameters = {"keep": timedelta(days=keep_days), "import_id": new_id()}
                row = conn.execute(_SQL["drop_oldest_week"], parameters).fetchone()
        except psycopg.errors.LockNotAvailable:
            _log.warning("week_in_use")
            return
        if row is None or row[0] is None:
            return
        yield row[0]


def forget_rejects(conn: psycopg.Connection, keep_days: int) -> int:
    """Remove the rejected rows of imports that ended so long ago; their counts stay. Returns how many rows."""
    if not keep_days:
        return 0
    parameters = {"keep": timedelta(days=keep_days), "limit": _MOST_AT_ONCE}
    return conn.execute(_SQL["forget_rejects"], parameters).rowcount


def forget_imports(conn: psycopg.Connection, keep_days: int, *, rows_at_once: int = _ROWS_AT_ONCE) -> int:
    """Remove imports that ended so long ago, with their chunks and rejected rows; returns how many imports.

    In steps, between which writers get their turn; stops where they leave it none for seconds. The next round goes on.
    """
    imports, parameters = 0, {"keep": timedelta(days=keep_days), "rows": rows_at_once}
    for _ in range(_STEPS_AT_ONCE if keep_days else 0):
        try:
            with conn.transaction():
                conn.execute(_SQL["patience"])
                ((gone, more),) = conn.execute(_SQL["forget_imports"], parameters).fetchall()
        except psycopg.errors.LockNotAvailable:
            _log.warning("writers_busy")
            break
        imports += gone
        if not more:
            break
    return imports


def forget_reports(conn: psycopg.Connection, storage: Storage, keep_days: int) -> int:
    """Remove reports that ended, and whose files expired, so long ago; returns how many.

    First the objects, then the row: without it nobody would know whose they are.
    """
    if not keep_days:
        return 0
    parameters = {"keep": timedelta(days=keep_days), "limit": _MOST_AT_ONCE}
    ids = [report_id for (report_id,) in conn.execute(_SQL["forgettable_reports"], parameters)]
    for report_id in ids:
        remove_files(storage, report_id)
    buckets = [0.0, *REPORT_LATENCY.buckets]
    row = conn.execute(_SQL["forget_reports"], {"ids": ids, "buckets": buckets}).fetchone()
    return row[0] if row else 0


def forget_requests(conn: psycopg.Connection) -> int:
    """Remove Idempotency-Keys that are older than 24 hours, and who wanted reports that ended before; returns how many keys."""
    _all_of(conn, "forget_interests")
    return _all_of(conn, "forget_idempotency")


def _all_of(conn: psycopg.Connection, statement: str) -> int:
    removed = 0
    for _ in range(_STEPS_AT_ONCE):
        rows = conn.execute(_SQL[statement], {"limit": _ROWS_AT_ONCE}).rowcount
        removed += rows
        if rows < _ROWS_AT_ONCE:
            break
    return removed
