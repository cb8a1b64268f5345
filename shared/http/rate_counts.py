"""Counters in Redis, shared by all processes. A caller waits at most half a second for Redis, and only until it fails.

After a failure, callers no longer use Redis. A task tries a write every second; the first success resumes counting.
"""

import asyncio
from contextlib import suppress

import redis.asyncio
import structlog
from limits.aio.storage import RedisStorage, Storage
from limits.errors import StorageError
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_WITHIN_S = 0.5
_AGAIN_S = 1.0
_PROBE, _PROBE_EXPIRES_S = "uptill:rates:probe", 60
_log = structlog.get_logger()


class CountsAway(Exception):
    """Redis is unavailable. `SharedCounts.is_there` stays false until it is back."""


class SharedCounts:
    """Counters by name, each for a period. Connects on first use."""

    def __init__(self, redis_url: str) -> None:
        self._connections = redis.asyncio.ConnectionPool.from_url(
            redis_url,
            socket_timeout=_WITHIN_S,
            socket_connect_timeout=_WITHIN_S,
            # Retry once if the server had closed an idle connection, but never after a timeout.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        self._counts: Storage = RedisStorage(
            f"async+{redis_url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="uptill:rates",
            connection_pool=self._connections,  # type: ignore[arg-type] # passed on to redis-py, which takes it
        )
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_there(self) -> bool:
        """Whether the last call to Redis succeeded."""
        return self._asking is None

    async def incr(self, name: str, period_s: int, amount: int) -> int:
        """Add and return the sum. Raises `CountsAway`."""
        try:
            async with asyncio.timeout(_WITHIN_S):
                return await self._counts.incr(name, period_s, amount=amount)
        except (StorageError, TimeoutError) as error:
            raise self._is_away(error) from error

    async def get_expiry(self, name: str) -> float:
        """Return when the counter ends, as Unix time. Raises `CountsAway`."""
        try:
            async with asyncio.timeout(_WITHIN_S):
                return await self._counts.get_expiry(name)
        except (StorageError, TimeoutError) as error:
            raise self._is_away(error) from error

    async def close(self) -> None:
        """Stop the retries and close the connections."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking
        await self._connections.disconnect()

    def _is_away(self, error: Exception) -> CountsAway:
        cause = error.storage_error if isinstance(error, StorageError) else error
        if self._asking is None:
            _log.warning("rates_not_shared", error=type(cause).__name__)
            self._asking = asyncio.create_task(self._await_return())
        return CountsAway(type(cause).__name__)

    async def _await_return(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN_S)
            with suppress(StorageError, TimeoutError):
                async with asyncio.timeout(_WITHIN_S):
                    await self._counts.incr(_PROBE, _PROBE_EXPIRES_S)
                break
        self._asking = None
        _log.info("rates_shared_again")
