"""Transactions that wait for the server less often than the driver's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.pq import TransactionStatus

_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


@asynccontextmanager
async def snapshot(conn: psycopg.AsyncConnection) -> AsyncIterator[None]:
    """Run the block in a REPEATABLE READ transaction. It commits at the end, and rolls back if the block raises.

    The block is a pipeline: a statement whose result nobody awaits costs no round trip, and nor does COMMIT. The driver's
    `transaction()` awaits all results before COMMIT. But the server skips everything after a statement that failed, COMMIT
    too, and its error is raised at the end. `conn` must be outside a transaction.
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
