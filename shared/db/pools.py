"""The pools of an HTTP service, so that slow lists leave connections for writes, and both leave some for API keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.db.connect import CallPool, make_async_pool
from shared.settings import Settings

_KEY_CONNECTIONS = 2
# One row by its primary key.
_KEY_STATEMENT_S = 2.0
# Calls that wait for a connection of one pool. The next one is refused at once.
_MOST_WAITING = 256


@dataclass(frozen=True)
class Pools:
    """`keys` serves API key lookups and `/readyz`; `accepting` serves writes and single reads; `reading` serves lists."""

    keys: CallPool
    accepting: CallPool
    reading: CallPool

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Begin to connect without waiting, and close the connections at the end, whatever ends the service.

        A service starts while the database is away, and reports it on `/readyz`. If its start fails, a pool that is still
        connecting would keep the process alive.
        """
        try:
            for pool in self._all_pools():
                await pool.open()
            yield
        finally:
            # Together, because each waits for a frozen server.
            await asyncio.gather(*(pool.close() for pool in self._all_pools()))

    def _all_pools(self) -> tuple[CallPool, ...]:
        return self.keys, self.accepting, self.reading


def make_pools(settings: Settings, *, application_name: str) -> Pools:
    """Divide `pool_size` connections among the pools, at least one each. They are not open yet."""
    keys = min(_KEY_CONNECTIONS, max(1, settings.pool_size // 4))
    reading = max(1, (settings.pool_size - keys) // 2)
    accepting = max(1, settings.pool_size - keys - reading)

    def make_one(max_size: int, statement_timeout_s: float) -> CallPool:
        return make_async_pool(
            settings.database_url.get_secret_value(),
            application_name=application_name,
            max_size=max_size,
            statement_timeout_s=min(statement_timeout_s, settings.statement_timeout_s),
            max_waiting=_MOST_WAITING,
        )

    patient = settings.statement_timeout_s
    return Pools(make_one(keys, _KEY_STATEMENT_S), make_one(accepting, patient), make_one(reading, patient))
