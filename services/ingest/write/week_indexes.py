"""Builds the keys of weeks, two at once: one through the caller's connection, one through another, on another core."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

import psycopg
from psycopg.conninfo import make_conninfo

from shared.db.queries import queries

_SQL = queries("ingest")


def ensure_keys(conn: psycopg.Connection, partitions: Sequence[str]) -> None:
    """Give each of these partitions its key, in the transaction of the caller, who keeps all writers away."""
    waiting = deque(partitions)
    if len(waiting) > 1:
        with _Helper(conn, waiting):
            conn.execute(_SQL["key_settings"])
            while waiting:
                conn.execute(_SQL["build_key"], {"partition": waiting.popleft()})
    for partition in partitions:  # also those that the helper could not build
        conn.execute(_SQL["ensure_key"], {"partition": partition})


class _Helper:
    """Builds from the other end of the queue what the caller has not come to. What it cannot build it leaves."""

    def __init__(self, conn: psycopg.Connection, waiting: "deque[str]") -> None:
        self._conninfo = make_conninfo(**conn.info.get_parameters(), password=conn.info.password)
        self._waiting = waiting
        self._conn: psycopg.Connection | None = None
        self._thread = Thread(target=self._build, name="ingest-keys", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._waiting.clear()
            if self._conn is not None:
                self._conn.cancel_safe(timeout=1)
        self._thread.join()

    def _build(self) -> None:
        with suppress(psycopg.Error, IndexError), psycopg.connect(self._conninfo, autocommit=True) as conn:
            self._conn = conn
            conn.execute(_SQL["helper_settings"])
            while True:
                conn.execute(_SQL["build_key"], {"partition": self._waiting.pop()})
