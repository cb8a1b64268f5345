"""The pools of an HTTP service: slow reading leaves connections for accepting, and both leave some for keys."""

import asyncio
from dataclasses import dataclass

from shared.db.connect import CallPool, make_async_pool
from shared.settings import Settings

_KEY_CONNECTIONS = 2
_KEY_STATEMENT_S = 2.0  # one row by its primary key
_MOST_WAITING = 256  # calls for a connection of one pool; the next one is refused at once


@dataclass(frozen=True)
class Pools:
    """`keys` looks API keys up and answers `/readyz`, `accepting` writes and reads single things, `reading` lists."""

    keys: CallPool
    accepting: CallPool
    reading: CallPool

    async def open(self) -> None:
        """Begin to connect. Does not wait: a service starts, and says so on `/readyz`, while the database is away."""
        for pool in self._all():
            await pool.open()

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(pool.close() for pool in self._all()))  # each waits for a frozen server

    def _all(self) -> tuple[CallPool, ...]:
        return self.keys, self.accepting, self.reading


def make_pools(settings: Settings, *, application_name: str) -> Pools:
    """Share `pool_size` connections out, at least one to each pool; not opened yet."""
    keys = min(_KEY_CONNECTIONS, max(1, settings.pool_size // 4))
    reading = max(1, (settings.pool_size - keys) // 2)
    accepting = max(1, settings.pool_size - keys - reading)

    def pool(max_size: int, statement_timeout_s: float) -> CallPool:
        return make_async_pool(
            settings.database_url.get_secret_value(),
            application_name=application_name,
            max_size=max_size,
            statement_timeout_s=min(statement_timeout_s, settings.statement_timeout_s),
            max_waiting=_MOST_WAITING,
        )

    patient = settings.statement_timeout_s
    return Pools(pool(keys, _KEY_STATEMENT_S), pool(accepting, patient), pool(reading, patient))
