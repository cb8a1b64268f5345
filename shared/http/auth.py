"""Who calls, may they, and how often: every route depends on `Caller(scope)` or `public`.

The application keeps its ring of keys as `app.state.keys` and their limits as `app.state.rates`.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from fastapi import Request
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from shared.db.connect import autocommitting_async, borrowed_async
from shared.db.queries import queries
from shared.errors import AuthenticationError, DatabaseUnavailable, ForbiddenError, RateLimited
from shared.http.rates import Rates, Work
from shared.keys import ApiKey, matches, prefix_of

_SQL = queries("keys")
_log = structlog.get_logger()
_WORK_OF_SCOPE = {"reports:write": Work.REPORT, "ingest:write": Work.INGEST}
REMEMBERED_S = 3.0  # a revoked or expired key is refused after this, at most; 5 s are promised
MOST_REMEMBERED = 10_000


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
        self._remembered: OrderedDict[str, tuple[float, _Known | None]] = OrderedDict()

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
        self._remembered.pop(prefix, None)

    async def _known(self, prefix: str) -> _Known | None:
        until_s, known = self._remembered.get(prefix, (0.0, None))
        now_s = time.monotonic()
        if now_s >= until_s:
            known = await self._look_up(prefix)
            self._remembered.pop(prefix, None)
            self._remembered[prefix] = (now_s + self._remembered_s, known)  # from before it was asked
            if len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
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
        """Return the key.

        Raises `AuthenticationError` without a live key, `ForbiddenError` for one that lacks the scope, and `RateLimited`.
        """
        keys: KeyRing = request.app.state.keys
        key = await keys.live_key(_presented(request))
        if not key.allows(self.scope):
            raise ForbiddenError(f"the key {key.name!r} lacks the scope {self.scope}; use one that has it")
        rates: Rates = request.app.state.rates
        work = _WORK_OF_SCOPE.get(self.scope, Work.READ)
        try:
            request.state.rate_limit = await rates.admit(key.prefix, work)
        except RateLimited as error:
            request.state.rate_limit = rates.none_left(work, error.retry_after_s)
            raise
        return key


async def public() -> None:
    """Mark a route that needs no key, on purpose."""


def _presented(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not key:
        raise AuthenticationError("send the API key as `Authorization: Bearer upt_…`")
    return key
