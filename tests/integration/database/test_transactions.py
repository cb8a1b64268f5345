"""A transaction whose COMMIT travels with other statements keeps everything or nothing, whichever way it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import anyio
import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from shared.db.connect import (
    autocommitting,
    autocommitting_async,
    borrowed,
    connect_async,
    make_async_pool,
    make_pool,
)
from shared.db.transactions import snapshot

Block = Callable[[AsyncConnection], Awaitable[None]]


class Refusal(Exception):
    """A block's own error."""


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create table kept (number integer primary key)")
        yield connection


def kept(conn: psycopg.Connection) -> list[int]:
    return [number for (number,) in conn.execute("select number from kept order by 1").fetchall()]


async def insert(conn: AsyncConnection, *numbers: int) -> None:
    """Insert without awaiting any result."""
    for number in numbers:
        await conn.execute("insert into kept values (%s)", [number])


def run(database_url: str, block: Block) -> None:
    """Run a block in a snapshot, and check that its connection is as it was before."""

    async def run_block() -> None:
        async with connect_async(database_url, application_name="test") as conn:
            try:
                async with snapshot(conn):
                    await block(conn)
            finally:
                assert conn.info.transaction_status is TransactionStatus.IDLE
                assert not conn.autocommit

    asyncio.run(run_block())


def test_a_block_commits_when_it_ends(conn: psycopg.Connection, database_url: str) -> None:
    async def block(own: AsyncConnection) -> None:
        await insert(own, 1)
        assert await (await own.execute("select number from kept")).fetchall() == [(1,)]
        assert kept(conn) == []
        await insert(own, 2)

    run(database_url, block)
    assert kept(conn) == [1, 2]


def test_a_block_that_raises_keeps_nothing(conn: psycopg.Connection, database_url: str) -> None:
    async def block(own: AsyncConnection) -> None:
        await insert(own, 1)
        raise Refusal

    with pytest.raises(Refusal):
        run(database_url, block)
    assert kept(conn) == []


@pytest.mark.parametrize("numbers", [(1, 1), (1, 1, 2)])
def test_an_error_that_nobody_awaited_is_raised_and_keeps_nothing(
    conn: psycopg.Connection, database_url: str, numbers: tuple[int, ...]
) -> None:
    async def block(own: AsyncConnection) -> None:
        await insert(own, *numbers)

    with pytest.raises(psycopg.errors.UniqueViolation):
        run(database_url, block)
    assert kept(conn) == []


def test_an_error_that_is_awaited_is_raised_there(conn: psycopg.Connection, database_url: str) -> None:
    async def block(own: AsyncConnection) -> None:
        await insert(own, 1)
        with pytest.raises(psycopg.errors.DivisionByZero):
            await (await own.execute("select 1 / 0")).fetchone()
        raise Refusal

    with pytest.raises(Refusal):
        run(database_url, block)
    assert kept(conn) == []


def test_a_transaction_in_the_block_is_a_savepoint(conn: psycopg.Connection, database_url: str) -> None:
    async def block(own: AsyncConnection) -> None:
        # Nothing is on its way now, from which the driver could see that a transaction is open.
        await (await own.execute("select 1")).fetchone()
        async with own.transaction():
            await insert(own, 1)
        assert kept(conn) == []
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with own.transaction():
                await insert(own, 2, 2)
        await insert(own, 3)

    run(database_url, block)
    assert kept(conn) == [1, 3]


def test_a_snapshot_sees_no_later_commit_and_refuses_to_write_over_one(
    conn: psycopg.Connection, database_url: str
) -> None:
    conn.execute("insert into kept values (1)")

    async def block(own: AsyncConnection) -> None:
        for number in (1, 2):
            assert await (await own.execute("select number from kept")).fetchall() == [(1,)]
            conn.execute("update kept set number = 2 where number = %s", [number])
        await own.execute("update kept set number = 3")

    with pytest.raises(psycopg.errors.SerializationFailure):
        run(database_url, block)
    assert kept(conn) == [2]


def test_a_caller_who_hangs_up_leaves_the_connection_to_the_next(
    conn: psycopg.Connection, database_url: str
) -> None:
    async def hang_up() -> None:
        pool = make_async_pool(database_url, application_name="test", max_size=1, statement_timeout_s=5)
        await pool.open()
        try:
            for wait_s in (0.0, 0.001, 0.002, 0.005):
                with anyio.move_on_after(wait_s):
                    async with autocommitting_async(pool) as one, snapshot(one):
                        await insert(one, 1)
                        await (await one.execute("select pg_sleep(1)")).fetchone()
            async with autocommitting_async(pool) as one, snapshot(one):
                await insert(one, 2)
        finally:
            await pool.close()

    asyncio.run(hang_up())
    assert kept(conn) == [2]


def test_a_borrowed_connection_that_commits_by_itself_does_not_stay_so(
    conn: psycopg.Connection, database_url: str
) -> None:
    with make_pool(database_url, application_name="test", max_size=1) as pool:
        with autocommitting(pool) as own:
            own.execute("insert into kept values (1)")
            assert kept(conn) == [1]
        with pytest.raises(psycopg.errors.UniqueViolation), autocommitting(pool) as own:
            own.execute("insert into kept values (1)")
        with borrowed(pool) as own:
            own.execute("insert into kept values (2)")
            assert kept(conn) == [1]
    assert kept(conn) == [1, 2]
