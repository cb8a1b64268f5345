"""Sessions of browsers on the page: open one for an API key, find it again, end it. Must not know HTTP."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from psycopg import AsyncConnection

from shared.audit import record_async
from shared.db.queries import queries
from shared.errors import AuthenticationError

MOST_PER_KEY = 100  # the oldest session of a key ends when it signs in once more
_SQL = queries("page_sessions")


@dataclass(frozen=True)
class SessionLimits:
    """How long a session lasts: `idle` without a request, and `longest` in all."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True)
class PageSession:
    """A browser that signed in: the secret token of its cookie, and the prefix of its key."""

    token: str
    key_prefix: str


def new_token() -> str:
    """Return a random token for a cookie."""
    return secrets.token_urlsafe(32)


def form_token(token: str) -> str:
    """Return what the forms of a browser with this cookie must send, so that no other site can send them."""
    return hmac.digest(token.encode(), b"uptill form", "sha256").hex()


async def open_session(conn: AsyncConnection, key_prefix: str) -> PageSession:
    """Make a session with a new token, and delete the oldest ones if the key has too many."""
    session = PageSession(new_token(), key_prefix)
    given = {"hash": _hash(session.token), "key_prefix": key_prefix, "most": MOST_PER_KEY}
    for statement in ("insert_session", "delete_oldest"):
        await conn.execute(_SQL[statement], given)
    await record_async(conn, key_prefix, "page.signed_in", key_prefix)
    return session


async def find_session(
    conn: AsyncConnection, token: str, limits: SessionLimits, *, note_use: bool = True
) -> PageSession:
    """Return the session of a cookie, and note its use at most once a minute. Raises `AuthenticationError`."""
    given = {**vars(limits), "hash": _hash(token)}
    row = await (await conn.execute(_SQL["find_session"], given)).fetchone()
    if row is None:
        raise AuthenticationError("you are not signed in, or your session has ended: sign in again")
    key_prefix, use_is_due = row
    if use_is_due and note_use:
        await conn.execute(_SQL["note_use"], given)
    return PageSession(token, key_prefix)


async def end_session(conn: AsyncConnection, token: str) -> None:
    """End the session of a cookie. A token without a session changes nothing."""
    await conn.execute(_SQL["delete_session"], {"hash": _hash(token)})


async def end_all_sessions(conn: AsyncConnection, key_prefix: str) -> int:
    """End every session of a key and return how many there were."""
    ended = await conn.execute(_SQL["delete_sessions_of_key"], {"key_prefix": key_prefix})
    await record_async(conn, key_prefix, "page.signed_out_everywhere", key_prefix, sessions=ended.rowcount)
    return ended.rowcount


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
