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
    """Looks at the age of the oldest batch that no worker has taken, once a second at most."""

    def __init__(self, pool: AsyncConnectionPool, max_age_s: float) -> None:
        self._pool = pool
        self._max_age = timedelta(seconds=max_age_s)
        self._look_at_s = 0.0
        self._is_high = False

    async def check(self) -> None:
        """Raise `Overloaded` when a batch has waited for too long."""
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_EVERY_S
            async with borrowed_async(self._pool) as conn:
                cursor = await conn.execute(_SQL["is_overdue"], {"max_age": self._max_age})
                self._is_high = await cursor.fetchone() == (True,)
        if self._is_high:
            raise Overloaded(
                f"work has waited for workers for more than {self._max_age.total_seconds():g} s; try again later, or add workers"
            )
