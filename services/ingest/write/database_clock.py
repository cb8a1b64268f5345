"""The database's clock, which decides whether a poll is in the future."""

import time

import psycopg

from shared.db.queries import queries

FUTURE_TOLERANCE_US = 5 * 60_000_000
_SQL = queries("ingest")


class DatabaseClock:
    """Asks the database for its time once, and adds the time that passes in this process."""

    def __init__(self, conn: psycopg.Connection) -> None:
        ((self._asked_us,),) = conn.execute(_SQL["database_clock_us"])
        self._asked_at_ns = time.monotonic_ns()

    def latest_valid_us(self) -> int:
        """Return the latest instant that a poll may have now, in microseconds since 1970."""
        elapsed_us = (time.monotonic_ns() - self._asked_at_ns) // 1000
        return int(self._asked_us) + elapsed_us + FUTURE_TOLERANCE_US
