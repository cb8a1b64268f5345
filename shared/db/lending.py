"""Lends connections of an asyncio pool so that each comes back, whatever happens to its borrower.

A caller who hangs up is cancelled again at every await. The pool's own `connection()` then loses the connection that it was
checking or taking back, and a pool that has lost all of them answers nothing for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")
_under_way: set[asyncio.Task[Any]] = set()  # the event loop itself holds tasks only weakly


@asynccontextmanager
async def lent(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """Lend a connection for one transaction: committed at the end of the block, rolled back if it raises."""
    getting = _start(pool.getconn())
    try:
        conn = await asyncio.shield(getting)
    except asyncio.CancelledError:
        _start(_return_unused(pool, getting))
        raise
    try:
        yield conn
    except BaseException as error:
        await asyncio.shield(_start(_take_back(pool, conn, error)))
        raise
    await asyncio.shield(_start(_take_back(pool, conn, None)))


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


def _start(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    task = asyncio.ensure_future(work)
    _under_way.add(task)
    task.add_done_callback(_end)
    return task


def _end(task: "asyncio.Task[Any]") -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # its borrower has it, or has left
