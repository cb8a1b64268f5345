"""Answer `/readyz` from background checks. Each component has its own task.

A component that hangs is reported after its deadline. It delays neither the answer nor the other checks.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

import structlog
from fastapi import Response
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, Field

from shared.db.connect import borrowed_async
from shared.db.schema import require_schema
from shared.errors import QueueUnavailable, UptillError
from shared.lane import Lane
from shared.queue_state import QueueProbe

OK = "ok"
EVERY_S = 0.5  # with the deadline below, a result is at most a second old while the component answers
WITHIN_S = 0.5
DATABASE_WITHIN_S = 2.0  # a busy database must not take the service out of rotation
_QUEUE_LOOK_S = 5.0  # several round trips of half a second
_log = structlog.get_logger()


class Health(BaseModel):
    """Answer of `/livez` and `/readyz`. `components` holds `ok` or the problem of each component."""

    status: Literal["ok", "degraded", "stopping", "unavailable"]
    components: dict[str, str] = {}
    ages_s: dict[str, float] = Field(default={}, description="Seconds since each component was last checked.")


@dataclass(frozen=True)
class Check:
    """A check of one component. `look` returns "ok" or the problem, or raises `UptillError`.

    A failed check makes the service unavailable if `needed`, else degraded. After `within_s` seconds the component is
    reported as not answering; `look` must still end eventually. `close` releases what the check holds.
    """

    name: str
    look: Callable[[], Awaitable[str]]
    needed: bool
    within_s: float = WITHIN_S
    close: Callable[[], None] = lambda: None


@dataclass
class _Seen:
    """The result of the last check, and since when the component has had a problem."""

    detail: str = "not checked yet"
    at_s: float = float("-inf")
    unwell_since: datetime | None = None

    def note(self, name: str, detail: str) -> None:
        self.at_s = time.monotonic()
        if detail == OK:
            if self.unwell_since is not None:
                _log.info("component_well", component=name)
            self.unwell_since = None
        elif self.unwell_since is None:
            self.unwell_since = datetime.now(UTC)
            _log.warning("component_unwell", component=name, detail=detail)
        self.detail = detail

    def __str__(self) -> str:
        if self.unwell_since is None:
            return self.detail
        return f"{self.detail} (since {self.unwell_since:%Y-%m-%dT%H:%M:%SZ})"


class Readiness:
    """The checks of one process. It is not ready once `is_stopping` returns true."""

    def __init__(self, checks: Sequence[Check], is_stopping: Callable[[], bool]) -> None:
        self._checks = checks
        self._is_stopping = is_stopping
        self._seen = {check.name: _Seen() for check in checks}

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check every component once, then keep checking until the block ends."""
        looked = [asyncio.Event() for _ in self._checks]
        tasks = [
            asyncio.create_task(self._watch_check(check, event))
            for check, event in zip(self._checks, looked, strict=True)
        ]
        try:
            for event in looked:
                await event.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for check in self._checks:
                check.close()

    def answer(self, response: Response) -> Health:
        """Return the latest results. Set status 503 on `response` if the service is not ready."""
        now_s = time.monotonic()
        components = {name: str(seen) for name, seen in self._seen.items()}
        ages_s = {name: round(now_s - seen.at_s, 3) for name, seen in self._seen.items()}
        unwell = [check for check in self._checks if self._seen[check.name].detail != OK]
        status: Literal["ok", "degraded", "stopping", "unavailable"] = "degraded" if unwell else "ok"
        if self._is_stopping():
            status = "stopping"
        elif any(check.needed for check in unwell):
            status = "unavailable"
        if status in {"stopping", "unavailable"}:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Health(status=status, components=components, ages_s=ages_s)

    async def _watch_check(self, check: Check, looked: asyncio.Event) -> None:
        seen = self._seen[check.name]
        while True:
            began_s = time.monotonic()
            look = asyncio.ensure_future(_get_outcome(check))
            try:
                await asyncio.wait([look], timeout=check.within_s)
                while not look.done():  # one check at a time: a server that hangs gets no more requests
                    seen.note(check.name, "not answering")
                    looked.set()
                    await asyncio.wait([look], timeout=EVERY_S)
                seen.note(check.name, look.result())
                looked.set()
            finally:
                look.cancel()
            await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))


def database_check(pool: AsyncConnectionPool) -> Check:
    """Check that Postgres answers and has this release's schema."""

    async def look() -> str:
        async with borrowed_async(pool) as conn:
            await require_schema(conn)
        return OK

    return Check("database", look, needed=True, within_s=DATABASE_WITHIN_S)


def queue_check(redis_url: str) -> Check:
    """Check that Redis accepts messages. Without it, workers poll Postgres and each process counts calls on its own."""
    probe = QueueProbe(redis_url)
    lane = Lane("Redis", QueueUnavailable, threads=1, waiting=1, within_s=_QUEUE_LOOK_S, breaks=False)

    async def look() -> str:
        return (await lane.run(probe.check_state)).detail

    def close() -> None:
        lane.close()
        probe.close()

    return Check("queue", look, needed=False, close=close)


async def _get_outcome(check: Check) -> str:
    try:
        return await check.look()
    except UptillError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (a bug in one check must not end the checks)
        _log.exception("look_failed", component=check.name)
        return type(error).__name__
