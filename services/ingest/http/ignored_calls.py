"""Counts calls of hooks in which no item was wanted. They change no polls, so they do not wait for a transaction.

The counts are written at most once a second, with the next group of live polls. Those of a second are lost if the process
is killed or the database is away; the metric has them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import numpy as np
import structlog

from services.ingest.http.group_commit import GroupCommit
from services.ingest.http.hook_delivery import HookDelivery
from services.ingest.http.live_polls import LivePolls
from shared.http.background import in_background

_WRITTEN_EVERY_S: Final = 1.0
_LAST_WRITE_WITHIN_S: Final = 2.0
_log = structlog.get_logger()


class IgnoredCalls:
    """Use it only from the event loop's thread, within `writing`."""

    def __init__(self, live: GroupCommit) -> None:
        self._live = live
        self._counts: Counter[str] = Counter()
        self._counted = asyncio.Event()

    def count(self, hook: str) -> None:
        """Count one call of a hook."""
        self._counts[hook] += 1
        self._counted.set()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write the counts while the block runs, and once more at its end."""
        try:
            async with in_background(self._write_often()):
                yield
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WRITE_WITHIN_S):
                    await self._write()

    async def _write_often(self) -> None:
        while True:
            await self._counted.wait()
            await asyncio.sleep(_WRITTEN_EVERY_S)
            await self._write()

    async def _write(self) -> None:
        self._counted.clear()
        counts, self._counts = self._counts, Counter()
        calls = [self._live.submit(_make_call(hook, number)) for hook, number in counts.items()]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, Exception):
                _log.warning("ignored_calls_not_counted", error=str(outcome))


def _make_call(hook: str, number: int) -> LivePolls:
    """Return a call without polls that only brings a count."""
    return LivePolls(
        [], np.zeros(0, np.int64), np.zeros(0, np.bool_), hook=HookDelivery.of_ignored(hook, number)
    )
