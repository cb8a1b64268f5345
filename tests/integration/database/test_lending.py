"""A pooled connection comes back from a borrower who is cancelled at any await, as callers who hang up are."""

import asyncio
import random

import anyio
import pytest

from shared.db.connect import autocommitting_async, borrowed_async, make_async_pool

_SIZE = 2


async def _look(url_pool: object, use: object) -> None:
    async with use(url_pool) as conn:  # type: ignore[operator]
        await conn.execute("select pg_sleep(0.002)")


async def _hang_up_often(url: str, use: object, seed: int) -> None:
    draw = random.Random(seed)
    pool = make_async_pool(url, application_name="test", max_size=_SIZE, statement_timeout_s=5)
    await pool.open()
    try:
        for _ in range(60):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as callers:
                    for _ in range(4):
                        callers.start_soon(_look, pool, use)
                    await asyncio.sleep(draw.random() * 0.006)
                    scope.cancel()
        for _ in range(3):
            async with borrowed_async(pool) as one, borrowed_async(pool) as other:
                assert (await (await one.execute("select 1")).fetchone()) == (1,)
                assert not one.autocommit
                assert not other.autocommit
    finally:
        await pool.close()


@pytest.mark.parametrize("use", [borrowed_async, autocommitting_async])
@pytest.mark.parametrize("seed", [1, 2])
def test_all_connections_are_there_after_many_hung_up(database_url: str, use: object, seed: int) -> None:
    asyncio.run(_hang_up_often(database_url, use, seed))
