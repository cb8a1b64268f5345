"""Calls that the page makes for a browser: they present its session instead of a key. The API itself accepts no such call."""

import hashlib
from datetime import timedelta
from typing import Final

from fastapi import Request
from psycopg_pool import AsyncConnectionPool

from shared.db.connect import autocommitting_async
from shared.db.queries import queries
from shared.errors import AuthenticationError
from shared.settings import Settings

SESSION_SCHEME: Final = "Uptill-Session"
_SQL = queries("page_sessions")


class SessionCallers:
    """Finds the key of a session. Only the page notes that a session is in use."""

    def __init__(self, pool: AsyncConnectionPool, settings: Settings) -> None:
        self._pool = pool
        self._limits = {
            "idle": timedelta(seconds=settings.page_idle_s),
            "longest": timedelta(seconds=settings.page_session_s),
        }

    async def find_key_prefix(self, token: str) -> str:
        """Return the prefix of the session's key. Raises `AuthenticationError`."""
        given = {**self._limits, "hash": hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()}
        async with autocommitting_async(self._pool) as conn:
            row = await (await conn.execute(_SQL["find_session"], given)).fetchone()
        if row is None:
            raise AuthenticationError("the session of the page has ended: sign in again")
        return str(row[0])


def presented_session(request: Request) -> str:
    """Return the session's token from the header, or an empty text."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == SESSION_SCHEME.lower() else ""
