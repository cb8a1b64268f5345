"""Refuse sessions that a connection pooler shares: settings, advisory locks and LISTEN would not hold in them."""

import asyncio
import select
import time
from contextlib import closing
from typing import Any, NoReturn, Self

import psycopg
import structlog

from shared.db.primary_watch import watch_session
from shared.db.several_hosts import CONNECT_TIMEOUT_S, last_first, names_several
from shared.errors import PooledSessions

# A frozen process must not block others for longer.
IDLE_IN_TRANSACTION_S = 10
_ASK = "select current_setting('idle_in_transaction_session_timeout'), pg_backend_pid()"
_POOLED = (
    "the database's sessions {how}, so a connection pooler is between: set UPTILL_DATABASE_URL to Postgres itself, or to a"
    " pooler in session mode that passes on `options`"
)
_LACK_SETTINGS = "lack the settings that Uptill asked for"
_ARE_SHARED = "are shared with other clients (transaction or statement mode)"
_REFUSE_SETTINGS = "cannot be opened with the settings that Uptill asks for"
# What PgBouncer answers to `options`, unless it is told to ignore them.
_UNSUPPORTED = "unsupported startup parameter"
# For this long, a pool that cannot get its own session raises the reason instead of waiting.
_REMEMBERED_S = 5.0
# A pooler in session mode may have no second session for the question whether the first is shared.
_ANSWERED_WITHIN_S = 2.0
_log = structlog.get_logger()
_refused: tuple[float, str] = (0.0, "")


class OwnConnection(psycopg.Connection[Any]):
    """A connection that names the pooler which refuses its settings, and leaves a node that is the primary no more."""

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Like the driver's. Raises `PooledSessions` too. Of several hosts, it takes the one that takes writes."""
        try:
            if not names_several(conninfo):
                return super().connect(conninfo, **kwargs)
            conn = super().connect(last_first(conninfo), **{**kwargs, "connect_timeout": CONNECT_TIMEOUT_S})
        except psycopg.OperationalError as error:
            _refuse_unsupported(error)
            raise
        watch_session(conninfo, kwargs, conn)
        return conn


class OwnAsyncConnection(psycopg.AsyncConnection[Any]):
    """Like `OwnConnection`, for asyncio."""

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Like that of `OwnConnection`."""
        try:
            if not names_several(conninfo):
                return await super().connect(conninfo, **kwargs)
            conn = await super().connect(
                last_first(conninfo), **{**kwargs, "connect_timeout": CONNECT_TIMEOUT_S}
            )
        except psycopg.OperationalError as error:
            _refuse_unsupported(error)
            raise
        watch_session(conninfo, kwargs, conn)
        return conn


def configure(conn: psycopg.Connection) -> None:
    """Check a new connection. Raises `PooledSessions` if its session lacks the settings it was opened with, or is shared."""
    row = conn.execute(_ASK).fetchone()
    conn.rollback()
    if _is_pooled(conn, row):
        _refuse_shared(conn, row)


async def configure_async(conn: psycopg.AsyncConnection) -> None:
    """Check a new connection, as `configure` does."""
    row = await (await conn.execute(_ASK)).fetchone()
    await conn.rollback()
    if _is_pooled(conn, row):
        await asyncio.to_thread(_refuse_shared, conn, row)


def refuse_pooled() -> None:
    """Raise `PooledSessions` if a new connection of this process was refused a moment ago."""
    until_s, reason = _refused
    if time.monotonic() < until_s:
        raise PooledSessions(reason)


def _is_pooled(conn: psycopg.BaseConnection[Any], row: tuple[Any, ...] | None) -> bool:
    """Return whether another backend answers than the one that greeted. Raises `PooledSessions` without our settings."""
    global _refused  # noqa: PLW0603  one database per process
    if row is None or row[0] != f"{IDLE_IN_TRANSACTION_S}s":
        _refuse(_LACK_SETTINGS)
    _refused = (0.0, "")
    return bool(row[1] != conn.info.backend_pid)


def _refuse_shared(conn: psycopg.BaseConnection[Any], row: tuple[Any, ...] | None) -> None:
    """Raise `PooledSessions` if a second client gets the session that this one has open."""
    # Closed without the COMMIT of a `with` block, which would fail while the question is not answered.
    with closing(psycopg.connect(conn.info.dsn, password=conn.info.password, autocommit=True)) as other:
        other.pgconn.send_query(b"select pg_backend_pid()")
        other.pgconn.flush()
        if select.select([other.pgconn.socket], [], [], _ANSWERED_WITHIN_S)[0]:
            answer = other.pgconn.get_result()
            pid = answer.get_value(0, 0) if answer is not None else None
            if row is not None and pid is not None and int(pid) == row[1]:
                _refuse(_ARE_SHARED)


def _refuse_unsupported(error: psycopg.OperationalError) -> None:
    if _UNSUPPORTED in str(error):
        _refuse(_REFUSE_SETTINGS)


def _refuse(how: str) -> NoReturn:
    global _refused  # noqa: PLW0603  one database per process
    reason = _POOLED.format(how=how)
    if time.monotonic() >= _refused[0]:
        _log.error("sessions_refused", error=reason)
    _refused = (time.monotonic() + _REMEMBERED_S, reason)
    raise PooledSessions(reason)
