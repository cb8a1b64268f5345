"""Who calls, may they, and how often: every route depends on `Caller(scope)` or `public`.

The application keeps its ring of keys as `app.state.keys`, their limits as `app.state.rates` and `app.state.open_calls`.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import Request
from fastapi.dependencies.models import Dependant
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from shared.db.connect import autocommitting_async, borrowed_async
from shared.db.queries import queries
from shared.errors import (
    AuthenticationError,
    DatabaseUnavailable,
    ForbiddenError,
    InfrastructureError,
    RateLimited,
)
from shared.http.open_calls import OpenCalls
from shared.http.rates import Rates, Work
from shared.keys import ApiKey, matches, prefix_of

_SQL = queries("keys")
_log = structlog.get_logger()
_WORK_OF_SCOPE = {"reports:write": Work.REPORT, "ingest:write": Work.INGEST}
REMEMBERED_S = 3.0  # a revoked or expired key is refused after this, at most; 5 s are promised
MOST_REMEMBERED = 10_000
_UNKNOWN_AT_ONCE = 2  # made-up keys may keep so many of the pool's connections busy


@dataclass
class _Known:
    """A live key, what its holder must present, and whether this use is to be noted."""

    key: ApiKey
    hash: bytes
    use_is_due: bool


class KeyRing:
    """The keys that came lately, so that not every call asks the database. Bounded, whatever is presented."""

    def __init__(self, pool: AsyncConnectionPool, remembered_s: float = REMEMBERED_S) -> None:
        self._pool = pool
        self._remembered_s = remembered_s
        self._live: OrderedDict[str, tuple[float, _Known | None]] = OrderedDict()
        self._unknown: OrderedDict[str, tuple[float, _Known | None]] = OrderedDict()
        self._unknown_at_once = asyncio.Semaphore(_UNKNOWN_AT_ONCE)
        self._looking: dict[str, asyncio.Task[_Known | None]] = {}  # one look for all calls of a live key
        self._changes = 0  # of keys, made here: what was looked up before one is not remembered

    async def live_key(self, presented: str) -> ApiKey:
        """The key. Raises `AuthenticationError` for one that is malformed, unknown, expired or revoked."""
        prefix = prefix_of(presented)
        known = await self._known(prefix) if prefix is not None else None
        if known is None or not matches(presented, known.hash):
            raise AuthenticationError("this API key is unknown, expired or revoked")
        if known.use_is_due:
            known.use_is_due = False
            await self._note_use(known.key.prefix)
        return known.key

    def forget(self, prefix: str) -> None:
        """Ask the database at the next call: the key was changed here."""
        self._live.pop(prefix, None)
        self._unknown.pop(prefix, None)
        self._looking.pop(prefix, None)
        self._changes += 1

    async def _known(self, prefix: str) -> _Known | None:
        """Calls of a key that has lived share a look. Made-up keys wait for each other, and push no live one out."""
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
            return await self._look(prefix)

    def _start_look(self, prefix: str) -> "asyncio.Task[_Known | None]":
        task = asyncio.create_task(self._look(prefix))
        self._looking[prefix] = task
        task.add_done_callback(lambda ended: self._end_look(prefix, ended))
        return task

    def _end_look(self, prefix: str, task: "asyncio.Task[_Known | None]") -> None:
        if self._looking.get(prefix) is task:
            del self._looking[prefix]
        if not task.cancelled():
            task.exception()  # its callers have it, or have left

    async def _look(self, prefix: str) -> _Known | None:
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

    async def _look_up(self, prefix: str) -> _Known | None:
        async with autocommitting_async(self._pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL["live_key"], {"prefix": prefix})
            row = await cursor.fetchone()
        if row is None:
            return None
        stored_hash, use_is_due = row.pop("hash"), row.pop("use_is_due")
        return _Known(ApiKey(**row), stored_hash, use_is_due)

    async def _note_use(self, prefix: str) -> None:
        """Once a minute: many calls with one key must not queue for its row. A full disk is no reason to refuse a read."""
        try:
            async with borrowed_async(self._pool) as conn:
                await conn.execute(_SQL["note_use"], {"prefix": prefix})
        except DatabaseUnavailable:
            _log.warning("key_use_not_noted", key=prefix)


@dataclass(frozen=True)
class Caller:
    """The dependency of a route that needs `scope`. The key comes as `Authorization: Bearer` or `X-API-Key`."""

    scope: str

    async def __call__(self, request: Request) -> ApiKey:
        """Return the key, which is checked and counted once a request.

        Raises `AuthenticationError` without a live key, `ForbiddenError` for one that lacks the scope, and `RateLimited`.
        """
        admitted: ApiKey | None = getattr(request.state, "caller", None)
        return admitted or await self._admit(request)

    async def _admit(self, request: Request) -> ApiKey:
        keys: KeyRing = request.app.state.keys
        key = await keys.live_key(presented_key(request))
        if not key.allows(self.scope):
            raise ForbiddenError(f"the key {key.name!r} lacks the scope {self.scope}; use one that has it")
        rates: Rates = request.app.state.rates
        work = _WORK_OF_SCOPE.get(self.scope, Work.READ)
        try:
            request.state.rate_limit = await rates.admit(key.prefix, work)
        except RateLimited as error:
            request.state.rate_limit = rates.none_left(work, error.retry_after_s)
            raise
        open_calls: OpenCalls = request.app.state.open_calls
        open_calls.enter(key.prefix)
        request.state.caller = key
        if (connection := getattr(request.state, "connection", None)) is not None:
            connection.admit()
        return key


def leave(scope: MutableMapping[str, Any]) -> None:
    """Say that the call has ended, whoever made it."""
    key: ApiKey | None = scope.get("state", {}).get("caller")
    if key is not None:
        open_calls: OpenCalls = scope["app"].state.open_calls
        open_calls.leave(key.prefix)


async def refuse_ended(request: Request) -> None:
    """Raise `AuthenticationError` if the caller's key has ended since; an outage of the database ends no key."""
    keys: KeyRing = request.app.state.keys
    try:
        await keys.live_key(presented_key(request))
    except InfrastructureError:
        return


def callers_of(dependant: Dependant) -> Iterator[Caller]:
    """What a route demands of its caller."""
    if isinstance(dependant.call, Caller):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from callers_of(inner)


_demands: dict[int, tuple[object, Caller | None]] = {}  # by the id of a route, which is kept for that


def demand_of(route: object) -> Caller | None:
    """What a route demands of its caller; None for a public one and for none."""
    if id(route) not in _demands:
        dependant: Dependant | None = getattr(route, "dependant", None)
        found = None if dependant is None else next(callers_of(dependant), None)
        _demands[id(route)] = (route, found)
    return _demands[id(route)][1]


async def public() -> None:
    """Mark a route that needs no key, on purpose."""


def presented_key(request: Request) -> str:
    """Return the key as it was sent. Raises `AuthenticationError` if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not key:
        raise AuthenticationError("send the API key as `Authorization: Bearer upt_…`")
    return key
