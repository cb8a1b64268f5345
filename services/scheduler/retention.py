"""Delete old data: weeks of polls, rejected rows, ended imports, reports and sessions, Idempotency-Keys.

Each function takes a connection in autocommit mode. Those with `keep_days` delete nothing if it is 0.
"""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import structlog

from shared.db.queries import queries
from shared.ids import new_id
from shared.metrics.looked_up import REPORT_LATENCY
from shared.reports.retention import remove_files
from shared.storage import Storage

_SQL, _LIVE, _SEALED = queries("retention"), queries("now"), queries("sealed")
_INCIDENTS, _SESSIONS = queries("incidents"), queries("page_sessions")
# A database that is restored from a backup of the last month finds the objects that it points to.
_OBJECTS_KEPT = timedelta(days=30)
# Listeners that come back within this time miss no change.
_CHANGES_KEPT = timedelta(days=1)
# So that the same month of the year before can be looked at.
_INCIDENTS_KEPT = timedelta(days=400)
_MOST_AT_ONCE = 100
# Rows of the ledger in one transaction, which blocks writers.
_ROWS_AT_ONCE = 10_000
# The janitor has other work.
_STEPS_AT_ONCE = 100
_log = structlog.get_logger()


def drop_old_weeks(conn: psycopg.Connection, keep_days: int) -> Iterator[str]:
    """Drop each week of polls that ended more than `keep_days` ago, oldest first; yield the names of the partitions.

    Stop at a partition that has had readers for seconds, because new readers would queue behind the drop. The next
    round tries again.
    """
    while keep_days:
        try:
            with conn.transaction():
                conn.execute(_SQL["lock_timeout"])
                parameters = {"keep": timedelta(days=keep_days), "import_id": new_id()}
                row = conn.execute(_SQL["drop_oldest_week"], parameters).fetchone()
        except psycopg.errors.LockNotAvailable:
            _log.warning("week_in_use")
            return
        if row is None or row[0] is None:
            return
        yield row[0]


def remove_left_weeks(conn: psycopg.Connection, storage: Storage) -> int:
    """Remove objects of weeks that were opened, dropped or never finished, a month ago; return how many.

    Only those that this database wrote: another one may share the bucket.
    """
    left = conn.execute(_SEALED["left_objects"], {"keep": _OBJECTS_KEPT, "limit": _MOST_AT_ONCE}).fetchall()
    for (key,) in left:
        storage.delete(key)
        conn.execute(_SEALED["forget_object"], {"object": key})
    return len(left)


def forget_rejects(conn: psycopg.Connection, keep_days: int) -> int:
    """Delete the rejected rows of imports that ended more than `keep_days` ago and return how many. Their counts stay."""
    if not keep_days:
        return 0
    parameters = {"keep": timedelta(days=keep_days), "limit": _MOST_AT_ONCE}
    return conn.execute(_SQL["forget_rejects"], parameters).rowcount


def forget_imports(conn: psycopg.Connection, keep_days: int, *, rows_at_once: int = _ROWS_AT_ONCE) -> int:
    """Delete imports that ended more than `keep_days` ago, with their chunks and rejected rows; return how many.

    Works in steps, so that writers get their turn in between, and stops if writers hold the lock for seconds. The
    next round continues.
    """
    imports, parameters = 0, {"keep": timedelta(days=keep_days), "rows": rows_at_once}
    for _ in range(_STEPS_AT_ONCE if keep_days else 0):
        try:
            with conn.transaction():
                conn.execute(_SQL["lock_timeout"])
                ((gone, more),) = conn.execute(_SQL["forget_imports"], parameters).fetchall()
        except psycopg.errors.LockNotAvailable:
            _log.warning("writers_busy")
            break
        imports += gone
        if not more:
            break
    return imports


def forget_reports(conn: psycopg.Connection, storage: Storage, keep_days: int) -> int:
    """Delete reports that ended, and whose files expired, more than `keep_days` ago; return how many.

    The objects go first: without its row, a report's objects would belong to no known report.
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
    """Delete Idempotency-Keys older than 24 hours, and the interest in reports that ended before; return how many keys."""
    _delete_in_steps(conn, _SQL["forget_interests"])
    return _delete_in_steps(conn, _SQL["forget_idempotency"])


def forget_changes(conn: psycopg.Connection) -> int:
    """Delete changes of live state that are older than a day; return how many."""
    return _delete_in_steps(conn, _LIVE["forget_changes"])


def forget_incidents(conn: psycopg.Connection) -> int:
    """Delete incidents that ended more than 400 days ago; return how many."""
    return _delete_in_steps(conn, _INCIDENTS["forget"], _INCIDENTS_KEPT)


def forget_sessions(conn: psycopg.Connection, idle_s: float, longest_s: float) -> int:
    """Delete sessions of the page that have ended; return how many."""
    limits = {"idle": timedelta(seconds=idle_s), "longest": timedelta(seconds=longest_s)}
    return conn.execute(_SESSIONS["delete_ended"], limits).rowcount


def _delete_in_steps(conn: psycopg.Connection, statement: bytes, keep: timedelta = _CHANGES_KEPT) -> int:
    removed = 0
    for _ in range(_STEPS_AT_ONCE):
        asked = {"limit": _ROWS_AT_ONCE, "keep": keep}
        rows = conn.execute(statement, asked).rowcount
        removed += rows
        if rows < _ROWS_AT_ONCE:
            break
    return removed
