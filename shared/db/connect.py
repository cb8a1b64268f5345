"""Connections and pools: sessions in UTC with time limits."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from shared.db.deadline import cut_after
from shared.db.driver_errors import translated_errors
from shared.db.lending import lent
from shared.db.own_sessions import (
    IDLE_IN_TRANSACTION_S,
    OwnAsyncConnection,
    OwnConnection,
    configure,
    configure_async,
    refuse_pooled,
)
from shared.errors import ConfigurationError, StatementTimedOut

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 60
_CHECKED_WITHIN_S = 2.0
# On top of the statement timeout, which a frozen server does not enforce.
_ANSWERED_WITHIN_S = 1.0
# A connection used within this time counts as alive. If it is not, one call gets 503.
_RESTED_S = 1.0
# After this a vanished peer is noticed: keepalive packets are for sessions that only wait for an answer.
_TCP_USER_TIMEOUT_S = 15
_KEEPALIVES = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3}

_POOL: dict[str, Any] = {
    "min_size": 1,
    "timeout": CONNECT_TIMEOUT_S,
    "reconnect_timeout": CONNECT_TIMEOUT_S,
    "open": False,
}


def session_arguments(
    application_name: str, statement_timeout_s: float = STATEMENT_TIMEOUT_S, lock_timeout_s: float = 0
) -> dict[str, Any]:
    """Return the parameters of an Uptill session. A time limit of 0 means none."""
    options = (
        f"-c timezone=UTC -c statement_timeout={int(statement_timeout_s * 1000)}"
        f" -c lock_timeout={int(lock_timeout_s * 1000)}"
        f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_S * 1000}"
    )
    return {
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": options,
        "tcp_user_timeout": _TCP_USER_TIMEOUT_S * 1000,
        **_KEEPALIVES,
    }


@contextmanager
def connect(
    database_url: str,
    *,
    application_name: str,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    lock_timeout_s: float = 0,
    autocommit: bool = False,
) -> Iterator[psycopg.Connection]:
    """Open a connection for a block. It commits at the end, and rolls back if the block raises."""
    with (
        translated_errors(),
        _open_session(
            database_url,
            autocommit=autocommit,
            **session_arguments(application_name, statement_timeout_s, lock_timeout_s),
        ) as conn,
    ):
        configure(conn)
        yield conn


def _open_session(database_url: str, **arguments: Any) -> psycopg.Connection:
    try:
        return OwnConnection.connect(database_url, **arguments)
    except psycopg.ProgrammingError as error:
        # The driver cannot read the address. Its message quotes the address, which may hold a password.
        raise ConfigurationError(
            "UPTILL_DATABASE_URL cannot be read: write it as postgresql://user:password@host:5432/database"
        ) from error


@asynccontextmanager
async def connect_async(
    database_url: str, *, application_name: str
) -> AsyncIterator[psycopg.AsyncConnection]:
    """Like `connect`, for asyncio."""
    with translated_errors():
        async with await OwnAsyncConnection.connect(
            database_url, **session_arguments(application_name)
        ) as conn:
            await configure_async(conn)
            yield conn


def make_pool(
    database_url: str, *, application_name: str, max_size: int, lock_timeout_s: float = 0
) -> ConnectionPool:
    """Return a pool that is not open yet. Open it after a fork."""
    return ConnectionPool(
        database_url,
        connection_class=OwnConnection,
        kwargs=session_arguments(application_name, lock_timeout_s=lock_timeout_s),
        configure=configure,
        check=_check_rested(),
        max_size=max_size,
        **_POOL,
    )


class CallPool(AsyncConnectionPool):
    """A pool for HTTP calls. A block that borrows from it is cut off after `within_s` seconds."""

    within_s: float | None = None


def make_async_pool(
    database_url: str,
    *,
    application_name: str,
    max_size: int,
    statement_timeout_s: float,
    max_waiting: int = 0,
) -> CallPool:
    """Return an asyncio pool for HTTP calls. If `max_waiting` calls wait for a connection, further ones are refused."""
    pool = CallPool(
        database_url,
        connection_class=OwnAsyncConnection,
        kwargs=session_arguments(application_name, statement_timeout_s),
        configure=configure_async,
        check=_RestedOnly(),
        max_size=max_size,
        max_waiting=max_waiting,
        **_POOL,
    )
    pool.within_s = statement_timeout_s + _ANSWERED_WITHIN_S
    return pool


def _check_rested() -> Callable[[psycopg.Connection], None]:
    """Like `_RestedOnly`, for threads."""
    handed_out_s: WeakKeyDictionary[psycopg.Connection, float] = WeakKeyDictionary()

    def check(conn: psycopg.Connection) -> None:
        now_s = time.monotonic()
        if now_s - handed_out_s.get(conn, 0.0) > _RESTED_S:
            ConnectionPool.check_connection(conn)
        handed_out_s[conn] = now_s

    return check


class _RestedOnly:
    """Checks a connection only if it was idle for a while, which saves a round trip on busy ones."""

    def __init__(self) -> None:
        self._handed_out_s: WeakKeyDictionary[psycopg.AsyncConnection, float] = WeakKeyDictionary()

    async def __call__(self, conn: psycopg.AsyncConnection) -> None:
        """Raise the driver's error for a dead connection. The pool then takes another one."""
        now_s = time.monotonic()
        if now_s - self._handed_out_s.get(conn, 0.0) > _RESTED_S:
            with cut_after(conn, _CHECKED_WITHIN_S):
                await AsyncConnectionPool.check_connection(conn)
        self._handed_out_s[conn] = now_s


@contextmanager
def borrowed(pool: ConnectionPool) -> Iterator[psycopg.Connection]:
    """Borrow a pooled connection for one transaction, with translated errors."""
    refuse_pooled()
    with translated_errors(), pool.connection() as conn, _left_if_read_only(conn):
        yield conn


@contextmanager
def autocommitting(pool: ConnectionPool) -> Iterator[psycopg.Connection]:
    """Borrow a connection in autocommit mode. Without BEGIN and COMMIT it saves two round trips."""
    with borrowed(pool) as conn:
        conn.autocommit = True
        try:
            yield conn
        finally:
            if not conn.closed:
                conn.autocommit = False


@asynccontextmanager
async def borrowed_async(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """Like `borrowed`, for asyncio, with the pool's time limit for a block. Also raises `StatementTimedOut`."""
    refuse_pooled()
    within_s = pool.within_s if isinstance(pool, CallPool) else None
    with translated_errors():
        try:
            async with lent(pool) as conn:
                with cut_after(conn, within_s), _left_if_read_only(conn):
                    yield conn
        except psycopg.errors.QueryCanceled as error:
            raise StatementTimedOut("the database took longer than the time limit of a call") from error


@contextmanager
def _left_if_read_only(conn: psycopg.BaseConnection[Any]) -> Iterator[None]:
    """Drop the connection if its server has become a standby: the next one is opened to the primary."""
    try:
        yield
    except psycopg.errors.ReadOnlySqlTransaction:
        conn.pgconn.finish()
        raise


@asynccontextmanager
async def autocommitting_async(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """Like `autocommitting`, for asyncio."""
    async with borrowed_async(pool) as conn:
        # Reset when the connection goes back to the pool.
        await conn.set_autocommit(True)
        yield conn


def count_processes(conn: psycopg.Connection, service: str) -> int:
    """Count the processes whose sessions are named `SERVICE …`, as those of workers are."""
    row = conn.execute(
        "select count(distinct application_name) from pg_stat_activity"
        " where datname = current_database() and starts_with(application_name, %s)",
        [f"{service} "],
    ).fetchone()
    return row[0] if row else 0
