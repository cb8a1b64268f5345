"""Wake callers that wait for reports. Each process has one LISTEN connection; waiters also poll, in case it misses a change."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import structlog

from shared.db.connect import session_arguments
from shared.db.own_sessions import OwnAsyncConnection
from shared.errors import PooledSessions
from shared.http.background import in_background

POLL_INTERVAL_S = 1.0  # how often a waiter reads its report without a notice
# Each wake costs about a millisecond, so a process wakes its waiters at most some 300 times a second in total.
_PACE_S = 0.05
_PACE_PER_WAITER_S = 0.003
_PROBE_INTERVAL_S = 10.0  # a connection that broke silently is noticed within this
_RECONNECT_PAUSE_S = 0.5
_ENDED = "ended"
_log = structlog.get_logger()


@dataclass(eq=False)
class ReportWaiter:
    """A caller that waits for one report to end, or, with `progress`, to change in any way."""

    report_id: UUID
    progress: bool
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class ReportChanges:
    """Receive notices of changes from the database (migration 0008) and wake this process's waiters."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._waiters: dict[str, set[ReportWaiter]] = {}

    @property
    def pace_s(self) -> float:
        """The shortest time between two reads of one waiter: the more waiters, the longer."""
        return _PACE_S + _PACE_PER_WAITER_S * sum(map(len, self._waiters.values()))

    @contextmanager
    def watch_report(self, report_id: UUID, *, progress: bool = False) -> Iterator[ReportWaiter]:
        """Yield a waiter that is woken until the block ends. Read the report after entering the block."""
        waiter = ReportWaiter(report_id, progress)
        self._waiters.setdefault(str(report_id), set()).add(waiter)
        try:
            yield waiter
        finally:
            same = self._waiters[str(report_id)]
            same.discard(waiter)
            if not same:
                del self._waiters[str(report_id)]

    @asynccontextmanager
    async def keep_listening(self) -> AsyncIterator[None]:
        """Listen until the block ends; reconnect after database outages."""
        async with in_background(self._run_listener()):
            yield

    async def _run_listener(self) -> None:
        while True:
            try:
                async with await OwnAsyncConnection.connect(
                    self._database_url, autocommit=True, **session_arguments("uptill-api")
                ) as conn:
                    await conn.execute("listen report_changed")
                    self._wake_all()  # changes may have been missed before
                    await self._forward_notices(conn)
            except (psycopg.Error, PooledSessions) as error:
                _log.warning("listener_lost", error=str(error).strip())
            await asyncio.sleep(_RECONNECT_PAUSE_S)

    async def _forward_notices(self, conn: psycopg.AsyncConnection) -> None:
        while True:
            async for notice in conn.notifies(timeout=_PROBE_INTERVAL_S):
                report_id, _, change = notice.payload.partition(" ")
                for waiter in self._waiters.get(report_id, ()):
                    if waiter.progress or change == _ENDED:
                        waiter.changed.set()
            await conn.execute("select 1")

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.changed.set()
