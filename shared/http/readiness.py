"""`/readyz` from the last look at each component. Looks go on in the background, each in a task of its own.

A component that hangs is reported as silent after its deadline. It delays neither the answer nor the other looks.
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
EVERY_S = 0.5  # with the deadline below, a look is at most a second old while its component answers
WITHIN_S = 0.5
DATABASE_WITHIN_S = 2.0  # a busy database is not a reason to leave service
_QUEUE_LOOK_S = 5.0  # several round trips of half a second
_log = structlog.get_logger()


class Health(BaseModel):
    """Answer of `/livez` and `/readyz`: each component with `ok` or what is wrong, and the age of the look that says so."""

    status: Literal["ok", "degraded", "stopping", "unavailable"]
    components: dict[str, str] = {}
    ages_s: dict[str, float] = Field(default={}, description="Seconds since each component was looked at.")


@dataclass(frozen=True)
class Check:
    """A component. `look` returns "ok" or what is wrong, or raises `UptillError`. Unless `needed`, it only degrades.

    A look must end by itself eventually; after `within_s` seconds the component is reported as silent. `close` releases
    what the looks hold.
    """

    name: str
    look: Callable[[], Awaitable[str]]
    needed: bool
    within_s: float = WITHIN_S
    close: Callable[[], None] = lambda: None


@dataclass
class _Seen:
    """What the last look brought, and since when it has not been well."""

    detail: str = "not looked at yet"
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
    """The looks of one process. `is_stopping` tells whether it was asked to stop: then it is not ready."""

    def __init__(self, checks: Sequence[Check], is_stopping: Callable[[], bool]) -> None:
        self._checks = checks
        self._is_stopping = is_stopping
        self._seen = {check.name: _Seen() for check in checks}

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at everything once, at most for the longest deadline, and keep looking until the block ends."""
        looked = [asyncio.Event() for _ in self._checks]
        tasks = [
            asyncio.create_task(self._watch(check, event))
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
        """Return what is known, with status 503 on `response` if the service is not ready."""
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

    async def _watch(self, check: Check, looked: asyncio.Event) -> None:
        seen = self._seen[check.name]
        while True:
            began_s = time.monotonic()
            look = asyncio.ensure_future(_outcome(check))
            try:
                await asyncio.wait([look], timeout=check.within_s)
                while not look.done():  # one look at a time: a server that hangs is not asked more and more
                    seen.note(check.name, "not answering")
                    looked.set()
                    await asyncio.wait([look], timeout=EVERY_S)
                seen.note(check.name, look.result())
                looked.set()
            finally:
                look.cancel()
            await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))


def database_check(pool: AsyncConnectionPool) -> Check:
    """Whether Postgres answers, and has the schema of this release."""

    async def look() -> str:
        async with borrowed_async(pool) as conn:
            await require_schema(conn)
        return OK

    return Check("database", look, needed=True, within_s=DATABASE_WITHIN_S)


def queue_check(redis_url: str) -> Check:
    """Whether Redis takes messages. While it does not, workers look in Postgres, and each process counts calls for itself."""
    probe = QueueProbe(redis_url)
    lane = Lane("Redis", QueueUnavailable, threads=1, waiting=1, within_s=_QUEUE_LOOK_S, breaks=False)

    async def look() -> str:
        return (await lane.run(probe.check_state)).detail

    def close() -> None:
        lane.close()
        probe.close()

    return Check("queue", look, needed=False, close=close)


async def _outcome(check: Check) -> str:
    try:
        return await check.look()
    except UptillError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (a bug in a look must not end the looks)
        _log.exception("look_failed", component=check.name)
        return type(error).__name__
