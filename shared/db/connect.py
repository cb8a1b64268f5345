"""Connections and pools: every session in UTC, with time limits, and driver errors translated into the domain's."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from shared.db.deadline import cut_after
from shared.db.lending import lent
from shared.db.own_sessions import IDLE_IN_TRANSACTION_S, configure, configure_async, refuse_pooled
from shared.errors import DatabaseUnavailable, StatementTimedOut, TableLocked

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 60
_CHECKED_WITHIN_S = 2.0
_ANSWERED_WITHIN_S = 1.0  # beyond the statement timeout, which a frozen server does not keep
_RESTED_S = 1.0  # a connection that was in use until then is taken for alive; if it is not, one call gets 503
_TCP_USER_TIMEOUT_S = 15  # a peer that vanished without a word is noticed after this

_POOL: dict[str, Any] = {
    "min_size": 1,
    "timeout": CONNECT_TIMEOUT_S,
    "reconnect_timeout": CONNECT_TIMEOUT_S,
    "open": False,
}

# What an operator mends outside Uptill: connection faults (08), resources (53), shutdown and recovery (57P), a
# read-only server (25006), I/O errors (58); and a session that was ended as its process had been frozen (25P03).
_OUTAGE_SQLSTATES = ("08", "53", "57P", "58", "25006", "25P03")
_LOCKED = "55P03"  # lock_timeout: somebody else works on the table, which is no fault of the statement
_OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, PoolTimeout)


def session_arguments(
    application_name: str, statement_timeout_s: float = STATEMENT_TIMEOUT_S, lock_timeout_s: float = 0
) -> dict[str, Any]:
    """Parameters of every Uptill session. A time limit of 0 means none."""
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
    }


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors that mean "the database is away" into `DatabaseUnavailable`; let bugs through.

    A lock that was not granted within the session's time limit becomes `TableLocked`, which is one of these.
    """
    try:
        yield
    except _OUTAGES as error:
        if not is_outage(error):
            raise
        if isinstance(error, psycopg.Error) and error.sqlstate == _LOCKED:
            raise TableLocked("another transaction holds a lock on a table that this work needs") from error
        if isinstance(error, PoolTimeout):
            refuse_pooled()
        raise DatabaseUnavailable("the database did not answer") from error


def is_outage(error: BaseException) -> bool:
    """Whether this driver error says that the database is away or locked, rather than that a statement is wrong."""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate.startswith((*_OUTAGE_SQLSTATES, _LOCKED))
    return isinstance(error, _OUTAGES)


@contextmanager
def connect(
    database_url: str,
    *,
    application_name: str,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    lock_timeout_s: float = 0,
    autocommit: bool = False,
) -> Iterator[psycopg.Connection]:
    """One connection for the time of a block; commits at its end, rolls back when it raises."""
    with (
        translated_errors(),
        psycopg.connect(
            database_url,
            autocommit=autocommit,
            **session_arguments(application_name, statement_timeout_s, lock_timeout_s),
        ) as conn,
    ):
        configure(conn)
        yield conn


@asynccontextmanager
async def connect_async(
    database_url: str, *, application_name: str
) -> AsyncIterator[psycopg.AsyncConnection]:
    """The same for asyncio."""
    with translated_errors():
        async with await psycopg.AsyncConnection.connect(
            database_url, **session_arguments(application_name)
        ) as conn:
            await configure_async(conn)
            yield conn


def make_pool(
    database_url: str, *, application_name: str, max_size: int, lock_timeout_s: float = 0
) -> ConnectionPool:
    """A pool, not yet opened (open it after the fork)."""
    return ConnectionPool(
        database_url,
        kwargs=session_arguments(application_name, lock_timeout_s=lock_timeout_s),
        configure=configure,
        check=ConnectionPool.check_connection,
        max_size=max_size,
        **_POOL,
    )


class CallPool(AsyncConnectionPool):
    """A pool for calls that somebody waits for. A block that borrows from it is cut off after `within_s` seconds."""

    within_s: float | None = None


def make_async_pool(
    database_url: str,
    *,
    application_name: str,
    max_size: int,
    statement_timeout_s: float,
    max_waiting: int = 0,
) -> CallPool:
    """The same for asyncio, for calls that somebody waits for; beyond `max_waiting` of them the next is refused."""
    pool = CallPool(
        database_url,
        kwargs=session_arguments(application_name, statement_timeout_s),
        configure=configure_async,
        check=_RestedOnly(),
        max_size=max_size,
        max_waiting=max_waiting,
        **_POOL,
    )
    pool.within_s = statement_timeout_s + _ANSWERED_WITHIN_S
    return pool


class _RestedOnly:
    """Asks the server whether a connection lives only after it has rested: one round trip less where they are busy."""

    def __init__(self) -> None:
        self._handed_out_s: WeakKeyDictionary[psycopg.AsyncConnection, float] = WeakKeyDictionary()

    async def __call__(self, conn: psycopg.AsyncConnection) -> None:
        """Raise the driver's error for a dead connection; the pool then takes another."""
        now_s = time.monotonic()
        if now_s - self._handed_out_s.get(conn, 0.0) > _RESTED_S:
            with cut_after(conn, _CHECKED_WITHIN_S):
                await AsyncConnectionPool.check_connection(conn)
        self._handed_out_s[conn] = now_s


@contextmanager
def borrowed(pool: ConnectionPool) -> Iterator[psycopg.Connection]:
    """A pooled connection for one transaction, with translated errors."""
    refuse_pooled()
    with translated_errors(), pool.connection() as conn:
        yield conn


@asynccontextmanager
async def borrowed_async(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """The same for asyncio, for as long as the pool lets a block take. Raises `StatementTimedOut` too."""
    refuse_pooled()
    within_s = pool.within_s if isinstance(pool, CallPool) else None
    with translated_errors():
        try:
            async with lent(pool) as conn:
                with cut_after(conn, within_s):
                    yield conn
        except psycopg.errors.QueryCanceled as error:
            raise StatementTimedOut("the database took longer than a call may take") from error


@asynccontextmanager
async def autocommitting_async(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """A pooled connection on which each statement is its own transaction: without BEGIN and COMMIT, two round trips less."""
    async with borrowed_async(pool) as conn:
        await conn.set_autocommit(True)  # until it is taken back
        yield conn


def count_processes(conn: psycopg.Connection, service: str) -> int:
    """Count the processes whose sessions are named `SERVICE …`, as every worker's are."""
    row = conn.execute(
        "select count(distinct application_name) from pg_stat_activity"
        " where datname = current_database() and starts_with(application_name, %s)",
        [f"{service} "],
    ).fetchone()
    return row[0] if row else 0
