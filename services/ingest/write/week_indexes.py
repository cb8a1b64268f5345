"""Builds the unique indexes of weeks, two at a time: one on the caller's connection, one on another."""

from collections import deque
from contextlib import suppress
from threading import Thread

import psycopg
from psycopg.conninfo import make_conninfo

from shared.db.queries import queries

_SQL = queries("ingest")


def index_weeks(conn: psycopg.Connection) -> bool:
    """Index every unindexed week, in the caller's transaction, which holds the writer lock. Return whether there was one."""
    sizes: dict[str, int] = dict(conn.execute(_SQL["unindexed_weeks"]).fetchall())
    partitions = list(sizes)
    waiting = deque(partitions)
    if len(waiting) > 1:
        # A week that is larger than all others together would keep one core only.
        workers = 1 if 2 * sizes[partitions[0]] > sum(sizes.values()) else 0
        with _IndexHelper(conn, waiting):
            conn.execute(_SQL["index_settings"], {"workers": workers})
            while waiting:
                conn.execute(_SQL["build_week_index"], {"partition": waiting.popleft()})
    # Also those that the helper could not build.
    for partition in partitions:
        conn.execute(_SQL["ensure_week_index"], {"partition": partition})
    return bool(partitions)


class _IndexHelper:
    """Builds indexes from the other end of the queue, and leaves those that it cannot build."""

    def __init__(self, conn: psycopg.Connection, waiting: "deque[str]") -> None:
        self._conninfo = make_conninfo(**conn.info.get_parameters(), password=conn.info.password)
        self._waiting = waiting
        self._conn: psycopg.Connection | None = None
        self._thread = Thread(target=self._build_indexes, name="ingest-indexes", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._waiting.clear()
            if self._conn is not None:
                self._conn.cancel_safe(timeout=1)
        self._thread.join()

    def _build_indexes(self) -> None:
        with suppress(psycopg.Error, IndexError), psycopg.connect(self._conninfo, autocommit=True) as conn:
            self._conn = conn
            conn.execute(_SQL["helper_settings"])
            while True:
                conn.execute(_SQL["build_week_index"], {"partition": self._waiting.pop()})
