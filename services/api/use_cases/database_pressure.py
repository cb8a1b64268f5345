"""Back-pressure: when no worker keeps up, a new report would only wait. Better to say so than to promise."""

import time
from datetime import timedelta

from psycopg_pool import AsyncConnectionPool

from shared.db.connect import borrowed_async
from shared.db.queries import queries
from shared.errors import Overloaded

_SQL = queries("reports")
_LOOK_EVERY_S = 1.0


class Pressure:
    """Looks at the age of the batches that no worker has taken, once a second at most."""

    def __init__(self, pool: AsyncConnectionPool, max_age_s: float) -> None:
        self._pool = pool
        self._max_age = timedelta(seconds=max_age_s)
        self._look_at_s = 0.0
        self._overdue: frozenset[str] = frozenset()
        self._stands_still = False

    async def check(self, key_prefix: str) -> None:
        """Raise `Overloaded` when a batch of this key, or of one that it was rotated from, has waited too long, or no worker takes any.

        The backlog of one key is no reason to refuse another: workers serve keys in turn.
        """
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_EVERY_S
            async with borrowed_async(self._pool) as conn:
                cursor = await conn.execute(_SQL["overdue_keys"], {"max_age": self._max_age})
                overdue, is_working = await cursor.fetchone() or ([], True)
            self._overdue = frozenset(overdue)
            self._stands_still = bool(overdue) and not is_working
        if self._stands_still or key_prefix in self._overdue:
            raise Overloaded(
                f"batches have waited for workers for more than {self._max_age.total_seconds():g} s: try again later, or add workers"
            )
