"""Refuse new reports while no worker keeps up: they would only wait."""

import time
from datetime import timedelta

from psycopg_pool import AsyncConnectionPool

from shared.db.connect import borrowed_async
from shared.db.queries import queries
from shared.errors import Overloaded

_SQL = queries("reports")
_CHECK_INTERVAL_S = 1.0


class BacklogCheck:
    """Check the age of unclaimed batches, at most once a second."""

    def __init__(self, pool: AsyncConnectionPool, max_age_s: float) -> None:
        self._pool = pool
        self._max_age = timedelta(seconds=max_age_s)
        self._next_check_s = 0.0
        self._overdue: frozenset[str] = frozenset()
        self._is_stuck = False

    async def check_backlog(self, key_prefix: str) -> None:
        """Raise `Overloaded` if a batch of this key or its predecessors has waited too long, or no worker claims any.

        Another key's backlog does not matter: workers serve keys in turn.
        """
        now_s = time.monotonic()
        if now_s >= self._next_check_s:
            self._next_check_s = now_s + _CHECK_INTERVAL_S
            async with borrowed_async(self._pool) as conn:
                cursor = await conn.execute(_SQL["overdue_keys"], {"max_age": self._max_age})
                overdue, is_working = await cursor.fetchone() or ([], True)
            self._overdue = frozenset(overdue)
            self._is_stuck = bool(overdue) and not is_working
        if self._is_stuck or key_prefix in self._overdue:
            raise Overloaded(
                f"batches have waited for workers for more than {self._max_age.total_seconds():g} s:"
                " try again later, or add workers"
            )
