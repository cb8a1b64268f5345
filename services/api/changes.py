"""Waking those who wait for a report: one LISTEN connection a process. What it misses is found by the waiters' own looks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import structlog

from shared.db.connect import session_arguments

LOOK_S = 1.0  # how often a waiter looks by itself
# A process wakes all its waiters at most some 300 times a second: each wake costs it about a millisecond.
_PACE_S = 0.05
_PACE_PER_WAITER_S = 0.003
_PROBE_S = 10.0  # a connection that ended without a word is noticed after this
_AGAIN_S = 0.5
_ENDED = "ended"
_log = structlog.get_logger()


@dataclass(eq=False)
class Waiter:
    """Somebody who waits for one report: for its end, or with `progress` for any change."""

    report_id: UUID
    progress: bool
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class ReportChanges:
    """Hears of changes from the database (migration 0008) and passes them on to the waiters of this process."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._waiters: dict[str, set[Waiter]] = {}

    @property
    def pace_s(self) -> float:
        """How long a waiter lets pass between two looks: the longer, the more wait in this process."""
        return _PACE_S + _PACE_PER_WAITER_S * sum(map(len, self._waiters.values()))

    @contextmanager
    def waiter(self, report_id: UUID, *, progress: bool = False) -> Iterator[Waiter]:
        """One who is woken until the end of the block. It must look at the report after it began to wait."""
        waiter = Waiter(report_id, progress)
        self._waiters.setdefault(str(report_id), set()).add(waiter)
        try:
            yield waiter
        finally:
            same = self._waiters[str(report_id)]
            same.discard(waiter)
            if not same:
                del self._waiters[str(report_id)]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen until the end of the block, whatever happens to the database."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._database_url, autocommit=True, **session_arguments("uptill-api")
                ) as conn:
                    await conn.execute("listen report_changed")
                    self._wake_all()  # of what happened while nobody listened
                    await self._hear(conn)
            except psycopg.Error as error:
                _log.warning("listener_lost", error=str(error).strip())
            await asyncio.sleep(_AGAIN_S)

    async def _hear(self, conn: psycopg.AsyncConnection) -> None:
        while True:
            async for notice in conn.notifies(timeout=_PROBE_S):
                report_id, _, what = notice.payload.partition(" ")
                for waiter in self._waiters.get(report_id, ()):
                    if waiter.progress or what == _ENDED:
                        waiter.changed.set()
            await conn.execute("select 1")

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.changed.set()
