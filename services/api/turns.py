"""A few expensive calls of a key at a time, so that a caller with many calls delays only its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.errors import RateLimited

_RETRY_AFTER_S = 1.0


@dataclass
class _Queue:
    """The calls of one key: `held` run or wait."""

    turns: asyncio.Semaphore
    held: int = 0


class KeyTurns:
    """The queues of one process for one kind of `calls`. Of a key, `at_once` calls run, and at most `waiting` wait.

    `instead`: what a caller with too many calls can do, as the end of a sentence.
    """

    def __init__(self, waiting: int, *, calls: str, instead: str, at_once: int = 1) -> None:
        self._waiting, self._calls, self._instead, self._at_once = waiting, calls, instead, at_once
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        """Run the block when fewer than `at_once` calls of the key run. Raises `RateLimited` if too many wait."""
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(asyncio.Semaphore(self._at_once))
        if queue.held >= self._at_once + self._waiting:
            raise RateLimited(
                f"{queue.held} calls for {self._calls} with this key are not answered yet: wait for them, or {self._instead}",
                retry_after_s=_RETRY_AFTER_S,
            )
        queue.held += 1
        try:
            async with queue.turns:
                yield
        finally:
            queue.held -= 1
            if not queue.held:
                del self._queues[key]
