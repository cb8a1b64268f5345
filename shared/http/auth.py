"""Authenticate callers, check their scopes and count their calls. Every route depends on `RequireScope(scope)` or `public`.

The application holds the keys in `app.state.keys` and the limits in `app.state.rates` and `app.state.open_calls`.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
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
from shared.http.idempotency import refuse_unusable_key
from shared.http.open_calls import OpenCalls
from shared.http.rates import Rates, Work
from shared.http.unknown_parameters import refuse_unknown_parameters
from shared.keys import ApiKey, matches, prefix_of
from shared.texts import quoted

_SQL = queries("keys")
_log = structlog.get_logger()
_WORK_OF_SCOPE = {
    "reports:write": Work.REPORT,
    "closures:write": Work.INGEST,
    "ingest:write": Work.INGEST,
}
REMEMBERED_S = 3.0  # a revoked or expired key is refused within this; 5 s are promised
MOST_REMEMBERED = 10_000
_UNKNOWN_AT_ONCE = 2  # connections of the pool that unknown keys may use at a time


@dataclass
class _KnownKey:
    """A live key, the hash its holder must match, and whether to record its use."""

    key: ApiKey
    hash: bytes
    use_is_due: bool


class KeyRing:
    """A cache of recently used keys, which saves a database query per call. Its size is bounded."""

    def __init__(self, pool: AsyncConnectionPool, remembered_s: float = REMEMBERED_S) -> None:
        self._pool = pool
        self._remembered_s = remembered_s
        self._live: OrderedDict[str, tuple[float, _KnownKey | None]] = OrderedDict()
        self._unknown: OrderedDict[str, tuple[float, _KnownKey | None]] = OrderedDict()
        self._unknown_at_once = asyncio.Semaphore(_UNKNOWN_AT_ONCE)
        self._looking: dict[
            str, asyncio.Task[_KnownKey | None]
        ] = {}  # one lookup for all calls of a live key
        self._changes = 0  # of keys, made here: a lookup from before is not remembered

    async def live_key(self, presented: str) -> ApiKey:
        """Return the key. Raises `AuthenticationError` if it is malformed, unknown, expired or revoked."""
        prefix = prefix_of(presented)
        known = await self._get_known(prefix) if prefix is not None else None
        if known is None or not matches(presented, known.hash):
            raise AuthenticationError("this API key is unknown, expired or revoked: send a live key")
        return await self._use(known)

    async def key_of_session(self, prefix: str) -> ApiKey:
        """Return the key that a session was opened with. Raises `AuthenticationError` if it is expired or revoked."""
        known = await self._get_known(prefix)
        if known is None:
            raise AuthenticationError(
                "the API key of this session is expired or revoked: sign in with a live key"
            )
        return await self._use(known)

    async def _use(self, known: _KnownKey) -> ApiKey:
        if known.use_is_due:
            known.use_is_due = False
            await self._note_use(known.key.prefix)
        return known.key

    def forget(self, prefix: str) -> None:
        """Drop a key that was changed here; the next call reads it from the database."""
        self._live.pop(prefix, None)
        self._unknown.pop(prefix, None)
        self._looking.pop(prefix, None)
        self._changes += 1

    async def _get_known(self, prefix: str) -> _KnownKey | None:
        """Look up a key. Calls of a known key share one lookup; unknown keys share a few connections and evict no live key."""
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
            return await self._look_and_remember(prefix)

    def _start_look(self, prefix: str) -> "asyncio.Task[_KnownKey | None]":
        task = asyncio.create_task(self._look_and_remember(prefix))
        self._looking[prefix] = task
        task.add_done_callback(lambda ended: self._end_look(prefix, ended))
        return task

    def _end_look(self, prefix: str, task: "asyncio.Task[_KnownKey | None]") -> None:
        if self._looking.get(prefix) is task:
            del self._looking[prefix]
        if not task.cancelled():
            task.exception()  # its callers have it, or have left

    async def _look_and_remember(self, prefix: str) -> _KnownKey | None:
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

    async def _look_up(self, prefix: str) -> _KnownKey | None:
        async with autocommitting_async(self._pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL["live_key"], {"prefix": prefix})
            row = await cursor.fetchone()
        if row is None:
            return None
        stored_hash, use_is_due = row.pop("hash"), row.pop("use_is_due")
        return _KnownKey(ApiKey(**row), stored_hash, use_is_due)

    async def _note_use(self, prefix: str) -> None:
        """Record the use, once a minute so that calls do not queue for the row. A full disk does not refuse a read."""
        try:
            async with borrowed_async(self._pool) as conn:
                await conn.execute(_SQL["note_use"], {"prefix": prefix})
        except DatabaseUnavailable:
            _log.warning("key_use_not_noted", key=prefix)


@dataclass(frozen=True)
class RequireScope:
    """The dependency of a route that requires `scope`, or the scope `or_else`.

    Reads the key from `Authorization: Bearer` or `X-API-Key`.
    """

    scope: str
    or_else: str | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """Each of these scopes is enough."""
        return (self.scope,) if self.or_else is None else (self.scope, self.or_else)

    async def __call__(self, request: Request) -> ApiKey:
        """Return the key, checked and counted once per request.

        Raises `AuthenticationError` without a live key, `ForbiddenError` without the scope, `RateLimited`,
        `InvalidRequest` if the route does not have a parameter of the query, and `BadHeader`.
        """
        admitted: ApiKey | None = getattr(request.state, "caller", None)
        key = admitted or await self._admit_caller(request)
        refuse_unknown_parameters(request)
        refuse_unusable_key(request)
        return key

    async def find_key(self, request: Request) -> ApiKey:
        """Return the live key that the request presents. Raises `AuthenticationError`."""
        keys: KeyRing = request.app.state.keys
        return await keys.live_key(presented_key(request))

    async def _admit_caller(self, request: Request) -> ApiKey:
        key = await self.find_key(request)
        if not any(map(key.allows, self.scopes)):
            raise ForbiddenError(
                f"the key {quoted(key.name)} lacks the scope {' or '.join(self.scopes)}: use a key that has it"
            )
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
    """Count the end of a call, if a key made it."""
    key: ApiKey | None = scope.get("state", {}).get("caller")
    if key is not None:
        open_calls: OpenCalls = scope["app"].state.open_calls
        open_calls.leave(key.prefix)


async def refuse_ended(request: Request) -> None:
    """Raise `AuthenticationError` if the caller's key has ended meanwhile. A database outage does not end keys."""
    demand = demand_of(request.scope.get("route"))
    if demand is not None:
        with suppress(InfrastructureError):
            await demand.find_key(request)


def callers_of(dependant: Dependant) -> Iterator[RequireScope]:
    """Yield the `RequireScope` dependencies of a route."""
    if isinstance(dependant.call, RequireScope):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from callers_of(inner)


_demands: dict[
    int, tuple[object, RequireScope | None]
] = {}  # by the id of the route; holding the route keeps the id unique


def demand_of(route: object) -> RequireScope | None:
    """Return the `RequireScope` dependency of a route, or None if it is public or missing."""
    if id(route) not in _demands:
        dependant: Dependant | None = getattr(route, "dependant", None)
        found = None if dependant is None else next(callers_of(dependant), None)
        _demands[id(route)] = (route, found)
    return _demands[id(route)][1]


async def public() -> None:
    """Mark a route as public on purpose: it needs no key."""


def presented_key(request: Request) -> str:
    """Return the key from the headers. Raises `AuthenticationError` if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not key:
        raise AuthenticationError("no API key was sent: send it as `Authorization: Bearer upt_…`")
    return key
