"""One expensive call of a key at a time, so that a caller with many calls delays only its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared.errors import RateLimited

_RETRY_AFTER_S = 1.0


@dataclass
class _Queue:
    """The calls of one key: `held` run or wait."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    held: int = 0


class KeyTurns:
    """The queues of one process for one kind of `calls`. At most `waiting` calls of a key wait for its turn.

    `instead`: what a caller with too many calls can do, as the end of a sentence.
    """

    def __init__(self, waiting: int, *, calls: str, instead: str) -> None:
        self._waiting, self._calls, self._instead = waiting, calls, instead
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        """Run the block when no other call of the key runs. Raises `RateLimited` if too many wait."""
        queue = self._queues.setdefault(key, _Queue())
        if queue.held > self._waiting:
            raise RateLimited(
                f"{queue.held} calls for {self._calls} with this key are not answered yet: wait for them, or {self._instead}",
                retry_after_s=_RETRY_AFTER_S,
            )
        queue.held += 1
        try:
            async with queue.turn:
                yield
        finally:
            queue.held -= 1
            if not queue.held:
                del self._queues[key]
