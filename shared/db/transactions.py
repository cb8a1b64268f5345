"""Transactions that wait for the server less often than the driver's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.pq import TransactionStatus

_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


@asynccontextmanager
async def snapshot(conn: psycopg.AsyncConnection) -> AsyncIterator[None]:
    """Run the block in a REPEATABLE READ transaction. It commits at the end, and rolls back if the block raises.

    The block is a pipeline: only a statement whose result is awaited costs a round trip. COMMIT is sent without waiting for
    the results before it, unlike that of the driver's `transaction()`. This is safe: once a statement has failed, the server
    skips all that follow, COMMIT too, and the error is raised at the end. `conn` must be outside a transaction.
    """
    autocommits = conn.autocommit
    # Otherwise the driver sends a BEGIN of its own.
    await conn.set_autocommit(True)
    try:
        async with conn.pipeline() as pipeline:
            await conn.execute("begin isolation level repeatable read", prepare=False)
            # Until the driver knows that a transaction is open, a `transaction()` in the block would commit it.
            await pipeline.sync()
            yield
            await conn.execute("commit", prepare=False)
    except BaseException:
        if conn.info.transaction_status in _OPEN:
            await conn.rollback()
        raise
    finally:
        if not autocommits and not conn.closed:
            await conn.set_autocommit(False)
