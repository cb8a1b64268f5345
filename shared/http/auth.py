"""Who calls, and may they: every route depends on `Caller(scope)` or `public`.

The application keeps its database pool as `app.state.pool`.
"""

from dataclasses import dataclass

from fastapi import Request
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from shared.db.connect import borrowed_async
from shared.db.queries import queries
from shared.errors import AuthenticationError, ForbiddenError
from shared.keys import ApiKey, matches, prefix_of

_SQL = queries("keys")


@dataclass(frozen=True)
class Caller:
    """The dependency of a route that needs `scope`. The key comes as `Authorization: Bearer` or `X-API-Key`."""

    scope: str

    async def __call__(self, request: Request) -> ApiKey:
        """Raise `AuthenticationError` without a live key and `ForbiddenError` for one that lacks the scope."""
        key = await _live_key(request.app.state.pool, _presented(request))
        if not key.allows(self.scope):
            raise ForbiddenError(f"the key {key.name!r} lacks the scope {self.scope}")
        return key


async def public() -> None:
    """Mark a route that needs no key, on purpose."""


def _presented(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not key:
        raise AuthenticationError("send the API key as `Authorization: Bearer upt_…`")
    return key


async def _live_key(pool: AsyncConnectionPool, presented: str) -> ApiKey:
    prefix = prefix_of(presented)
    if prefix is not None:
        async with borrowed_async(pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL["live_key"], {"prefix": prefix})
            row = await cursor.fetchone()
            if row is not None and matches(presented, row.pop("hash")):
                await cursor.execute(_SQL["touch_key"], {"prefix": prefix})
                return ApiKey(**row)
    raise AuthenticationError("this API key is unknown, expired or revoked")
