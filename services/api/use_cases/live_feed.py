"""Follow changes of live state. The listeners of a process share one look at the newest change each second."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from psycopg_pool import AsyncConnectionPool

from services.api.use_cases.live import LiveChange, LiveChoice, list_changes
from shared.db.connect import borrowed_async
from shared.db.queries import queries
from shared.errors import AuthenticationError, DatabaseUnavailable, Overloaded, RateLimited
from shared.http.stopping import Stopping

_SQL = queries("live_reads")
LOOK_EVERY_S = 1.0
MOST_LISTENERS = 200
MOST_OF_KEY = 8
_CHANGES_AT_ONCE = 500
# News are less urgent than changes: who hears of them reads a whole page.
NEWS_EVERY_S = 3.0
_RETRY_AFTER_S = 10.0


class LivePositions(NamedTuple):
    """The ids of the oldest change that is kept, and of the newest; 0 if there is none."""

    oldest: int
    newest: int

    def can_follow(self, after_id: int) -> bool:
        """Return whether every change after this id is still there."""
        return self.oldest - 1 <= after_id <= self.newest


class LiveFeed:
    """The listeners of one process, at most `MOST_LISTENERS`, and `MOST_OF_KEY` of one key."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._listeners: Counter[str] = Counter()
        self._looking = asyncio.Lock()
        self._seen = LivePositions(0, 0)
        self._looked_s = float("-inf")

    @contextmanager
    def listen(self, key: str) -> Iterator[None]:
        """Count a listener while the block runs. Raises `RateLimited` or `Overloaded` if there are too many."""
        if self._listeners[key] >= MOST_OF_KEY:
            raise RateLimited(
                f"this key already has {MOST_OF_KEY} open streams of changes here: close one, or share one among your"
                " programs",
                retry_after_s=_RETRY_AFTER_S,
            )
        if self._listeners.total() >= MOST_LISTENERS:
            raise Overloaded(f"{MOST_LISTENERS} streams of changes are open here: try again later")
        self._listeners[key] += 1
        try:
            yield
        finally:
            self._listeners[key] -= 1
            if not self._listeners[key]:
                del self._listeners[key]

    async def look(self) -> LivePositions:
        """Return the oldest and the newest change, as they were within the last second."""
        loop = asyncio.get_running_loop()
        async with self._looking:
            if loop.time() - self._looked_s >= LOOK_EVERY_S / 2:
                async with borrowed_async(self._pool) as conn:
                    row = await (await conn.execute(_SQL["positions"])).fetchone()
                self._seen = LivePositions(*row) if row else LivePositions(0, 0)
                self._looked_s = loop.time()
        return self._seen

    async def follow(
        self,
        choice: LiveChoice,
        after_id: int,
        stopping: Stopping,
        check_key: Callable[[], Awaitable[None]],
    ) -> AsyncIterator[LiveChange]:
        """Yield each change after an id, until the caller's key has ended or this service stops."""
        while True:
            try:
                await check_key()
                newest = (await self.look()).newest
                while after_id < newest:
                    async with borrowed_async(self._pool) as conn:
                        found = await list_changes(
                            conn, choice, after_id=after_id, until_id=newest, limit=_CHANGES_AT_ONCE
                        )
                    for change in found:
                        yield change
                    after_id = found[-1].id if len(found) == _CHANGES_AT_ONCE else newest
            except AuthenticationError:
                return
            except DatabaseUnavailable:
                pass  # the next look may succeed, so keep the stream open
            if await stopping.pause(LOOK_EVERY_S):
                return

    async def follow_news(
        self, choice: LiveChoice, stopping: Stopping, check_key: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Yield whenever stores of the choice have changed, until the caller's key has ended or this service stops."""
        seen = (await self.look()).newest
        while not await stopping.pause(NEWS_EVERY_S):
            try:
                await check_key()
                newest = (await self.look()).newest
                if newest != seen and await self._has_change(choice, seen, newest):
                    yield
                seen = newest
            except AuthenticationError:
                return
            except DatabaseUnavailable:
                pass

    async def _has_change(self, choice: LiveChoice, after_id: int, until_id: int) -> bool:
        async with borrowed_async(self._pool) as conn:
            return bool(await list_changes(conn, choice, after_id=after_id, until_id=until_id, limit=1))
