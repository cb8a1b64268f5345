"""Lend connections of an asyncio pool so that each one comes back, whatever happens to the borrower.

When a caller hangs up, its task is cancelled again at every await. The pool's own `connection()` then loses the
connection that it was checking or taking back. A pool that has lost all connections never answers again.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")
# The event loop itself holds tasks only weakly.
_running: set[asyncio.Task[Any]] = set()


@asynccontextmanager
async def lent(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """Lend a connection for one transaction. It commits at the end of the block, and rolls back if the block raises."""
    getting = _start_task(pool.getconn())
    try:
        conn = await asyncio.shield(getting)
    except asyncio.CancelledError:
        _start_task(_return_unused(pool, getting))
        raise
    try:
        yield conn
    except BaseException as error:
        await asyncio.shield(_start_task(_take_back(pool, conn, error)))
        raise
    await asyncio.shield(_start_task(_take_back(pool, conn, None)))


async def _take_back(
    pool: AsyncConnectionPool, conn: psycopg.AsyncConnection, error: BaseException | None
) -> None:
    try:
        await conn.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)
        if conn.autocommit and not conn.closed:
            await conn.set_autocommit(False)
    finally:
        await pool.putconn(conn)


async def _return_unused(pool: AsyncConnectionPool, getting: "asyncio.Task[psycopg.AsyncConnection]") -> None:
    await asyncio.wait([getting])
    if not getting.cancelled() and getting.exception() is None:
        await pool.putconn(getting.result())


def _start_task(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_forget_task)
    return task


def _forget_task(task: "asyncio.Task[Any]") -> None:
    _running.discard(task)
    if not task.cancelled():
        # Mark it as retrieved: the borrower has it, or has left.
        task.exception()
