"""The API keys that a service has looked up lately, so that most calls need no query."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from shared.db.connect import autocommitting_async, borrowed_async
from shared.db.queries import queries
from shared.errors import AuthenticationError, DatabaseUnavailable
from shared.keys import ApiKey, matches, prefix_of

_SQL = queries("keys")
_log = structlog.get_logger()
REMEMBERED_S = 3.0  # a revoked or expired key is refused within this; 5 s are promised
MOST_REMEMBERED = 10_000
_UNKNOWN_AT_ONCE = 2  # connections of the pool that unknown keys may use at a time


@dataclass
class _KnownKey:
    """A live key, the hash its holder must match, and whether to record its use."""

    key: ApiKey
    hash: bytes
    use_is_due: bool


class KeyRing:
    """A cache of recently used keys, which saves a database query per call. Its size is bounded."""

    def __init__(self, pool: AsyncConnectionPool, remembered_s: float = REMEMBERED_S) -> None:
        self._pool = pool
        self._remembered_s = remembered_s
        self._live: OrderedDict[str, tuple[float, _KnownKey | None]] = OrderedDict()
        self._unknown: OrderedDict[str, tuple[float, _KnownKey | None]] = OrderedDict()
        self._unknown_at_once = asyncio.Semaphore(_UNKNOWN_AT_ONCE)
        self._looking: dict[
            str, asyncio.Task[_KnownKey | None]
        ] = {}  # one lookup for all calls of a live key
        self._changes = 0  # of keys, made here: a lookup from before is not remembered

    async def live_key(self, presented: str) -> ApiKey:
        """Return the key. Raises `AuthenticationError` if it is malformed, unknown, expired or revoked."""
        prefix = prefix_of(presented)
        known = await self._get_known(prefix) if prefix is not None else None
        if known is None or not matches(presented, known.hash):
            raise AuthenticationError("this API key is unknown, expired or revoked: send a live key")
        return await self._use(known)

    async def key_of_session(self, prefix: str) -> ApiKey:
        """Return the key that a session was opened with. Raises `AuthenticationError` if it is expired or revoked."""
        known = await self._get_known(prefix)
        if known is None:
            raise AuthenticationError(
                "the API key of this session is expired or revoked: sign in with a live key"
            )
        return await self._use(known)

    async def _use(self, known: _KnownKey) -> ApiKey:
        if known.use_is_due:
            known.use_is_due = False
            await self._note_use(known.key.prefix)
        return known.key

    def forget(self, prefix: str) -> None:
        """Drop a key that was changed here; the next call reads it from the database."""
        self._live.pop(prefix, None)
        self._unknown.pop(prefix, None)
        self._looking.pop(prefix, None)
        self._changes += 1

    async def _get_known(self, prefix: str) -> _KnownKey | None:
        """Look up a key. Calls of a known key share one lookup; unknown keys share a few connections and evict no live key."""
        was_live = prefix in self._live
        until_s, known = (self._live if was_live else self._unknown).get(prefix, (0.0, None))
        if time.monotonic() < until_s:
            return known
        if was_live:
            # Each stream of a key asks again every few seconds: all of them at once would fill the pool.
            return await asyncio.shield(self._looking.get(prefix) or self._start_look(prefix))
        async with self._unknown_at_once:
            until_s, known = self._live.get(prefix) or self._unknown.get(prefix, (0.0, None))
            if time.monotonic() < until_s:  # another call has asked meanwhile
                return known
            return await self._look_and_remember(prefix)

    def _start_look(self, prefix: str) -> "asyncio.Task[_KnownKey | None]":
        task = asyncio.create_task(self._look_and_remember(prefix))
        self._looking[prefix] = task
        task.add_done_callback(lambda ended: self._end_look(prefix, ended))
        return task

    def _end_look(self, prefix: str, task: "asyncio.Task[_KnownKey | None]") -> None:
        if self._looking.get(prefix) is task:
            del self._looking[prefix]
        if not task.cancelled():
            task.exception()  # its callers have it, or have left

    async def _look_and_remember(self, prefix: str) -> _KnownKey | None:
        began_s, changes = time.monotonic(), self._changes
        known = await self._look_up(prefix)
        if changes != self._changes:
            return known
        self._live.pop(prefix, None)
        self._unknown.pop(prefix, None)
        remembered = self._unknown if known is None else self._live
        remembered[prefix] = (began_s + self._remembered_s, known)
        if len(remembered) > MOST_REMEMBERED:
            remembered.popitem(last=False)
        return known

    async def _look_up(self, prefix: str) -> _KnownKey | None:
        async with autocommitting_async(self._pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL["live_key"], {"prefix": prefix})
            row = await cursor.fetchone()
        if row is None:
            return None
        stored_hash, use_is_due = row.pop("hash"), row.pop("use_is_due")
        return _KnownKey(ApiKey(**row), stored_hash, use_is_due)

    async def _note_use(self, prefix: str) -> None:
        """Record the use, once a minute so that calls do not queue for the row. A full disk does not refuse a read."""
        try:
            async with borrowed_async(self._pool) as conn:
                await conn.execute(_SQL["note_use"], {"prefix": prefix})
        except DatabaseUnavailable:
            _log.warning("key_use_not_noted", key=prefix)
