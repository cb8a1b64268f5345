"""Calls about one store. A key has a few in work; of answers about many polls, the process holds a few at a time.

A small answer is computed in a thread at once. A large one waits for a place, is computed and encoded in a thread of its own,
and keeps its place until it is sent.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeVar

from starlette.concurrency import run_in_threadpool

from services.api.turns import KeyTurns
from shared.errors import Overloaded
from shared.lane import Lane

T = TypeVar("T")
# Polls times policies or windows. Measured: 0.1 s of processor time. 62 days with a poll each 15 minutes are 5,952.
LARGE: Final = 6_000
_AT_ONCE = 2  # of a key
_WAITING = 126  # of a key: with those in work, as many as a process accepts of all keys by default
_PLACES = 3  # measured: a large answer has up to 26 MB
_PLACES_WAITING = 8
_PLACE_WITHIN_S = 20.0
_COMPUTED_WITHIN_S = 60.0


class StoreTurns:
    """The turns of one process. Use it only from the event loop's thread."""

    def __init__(self, place_within_s: float = _PLACE_WITHIN_S) -> None:
        self._place_within_s = place_within_s
        self._keys = KeyTurns(_WAITING, calls="single stores", instead="request a report", at_once=_AT_ONCE)
        self._large_of_key = KeyTurns(_AT_ONCE, calls="single stores", instead="request a report")
        self._places = asyncio.Semaphore(_PLACES)
        self._waiting = 0
        # One computation at a time, so that the process has time for other calls.
        self._lane = Lane(
            "the computation of a store",
            Overloaded,
            threads=1,
            waiting=_PLACES,
            within_s=_COMPUTED_WITHIN_S,
            breaks=False,
        )

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator["StoreTurn"]:
        """Run the block, and hold what its turn took until it ends. Raises `RateLimited` if too many calls wait."""
        async with AsyncExitStack() as held, self._keys.take(key):
            yield StoreTurn(self, key, held)

    async def hold_place(self, key: str, held: AsyncExitStack) -> None:
        """Wait for a place for a large answer, and keep it in `held`. Raises `Overloaded`."""
        await held.enter_async_context(self._large_of_key.take(key))
        if self._waiting >= _PLACES_WAITING:
            raise Overloaded("too many large answers are being computed; try again")
        self._waiting += 1
        try:
            await asyncio.wait_for(self._places.acquire(), self._place_within_s)
        except TimeoutError:
            raise Overloaded("other large answers are not sent yet; try again") from None
        finally:
            self._waiting -= 1
        held.callback(self._places.release)

    async def compute_large(self, call: Callable[[], T]) -> T:
        """Return what `call` returns. Raises `Overloaded`."""
        return await self._lane.run(call)

    def close(self) -> None:
        """End the thread."""
        self._lane.close()


class StoreTurn:
    """The turn of one call. It ends when the answer is sent."""

    def __init__(self, turns: StoreTurns, key: str, held: AsyncExitStack) -> None:
        self._turns, self._key, self._held = turns, key, held
        self._has_place = False

    async def run(self, weight: int, call: Callable[[], T]) -> T:
        """Return what `call` returns, which computes for `weight` polls. Raises `Overloaded`."""
        if weight < LARGE:
            return await run_in_threadpool(call)
        if not self._has_place:
            await self._turns.hold_place(self._key, self._held)
            self._has_place = True
        return await self._turns.compute_large(call)
