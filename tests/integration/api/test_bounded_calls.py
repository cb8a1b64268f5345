"""Every wait of an HTTP service ends, even if the server it waits for never answers."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from limits import parse

from services.ingest.http import group_commit
from services.ingest.http.group_commit import GroupCommit
from services.ingest.http.live_polls import LivePolls, check_polls
from services.ingest.write.counts import RowCounts
from shared.db.connect import borrowed_async, make_async_pool
from shared.db.pools import make_pools
from shared.errors import DatabaseUnavailable, Overloaded
from shared.http.rates import Rates, Work
from shared.settings import Settings
from tests.fixtures.private_queue import PrivateQueue
from tests.fixtures.proxy import PostgresProxy
from tests.fixtures.services import wait_until

NEVER_S = 30.0


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[PrivateQueue]:
    with PrivateQueue(tmp_path) as queue:
        queue.start()
        yield queue


def test_a_block_on_a_frozen_postgres_is_cut_off_and_the_pool_heals(database_url: str) -> None:
    async def act(proxy: PostgresProxy) -> None:
        pool = make_async_pool(proxy.url, application_name="test", max_size=1, statement_timeout_s=0.5)
        await pool.open()
        try:
            async with borrowed_async(pool) as conn:
                await conn.execute("select 1")
            proxy.stall_at = proxy.bytes_sent
            began_s = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                async with borrowed_async(pool) as conn:
                    await conn.execute("select 1")
            assert time.monotonic() - began_s < NEVER_S
            proxy.stall_at = None
            async with borrowed_async(pool) as conn:
                await conn.execute("select 1")
        finally:
            await pool.close()

    with PostgresProxy(database_url) as proxy:
        asyncio.run(act(proxy))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8, 20])
def test_connections_are_shared_out_and_each_pool_has_one(size: int) -> None:
    settings = Settings.model_validate({"database_url": "postgresql://nowhere", "pool_size": size})

    async def sizes() -> list[int]:
        pools = make_pools(settings, application_name="test")
        return [pool.max_size for pool in (pools.keys, pools.accepting, pools.reading)]

    shared_out = asyncio.run(sizes())
    assert min(shared_out) >= 1
    assert sum(shared_out) == max(3, size)


def test_callers_of_all_keys_wait_once_for_a_frozen_redis(queue: PrivateQueue) -> None:
    async def act() -> None:
        rates = Rates(queue.url, dict.fromkeys(Work, parse("20/hour")))
        try:
            await rates.admit("aaaaaaaa", Work.REPORT)
            queue.freeze()
            began_s = time.monotonic()
            await asyncio.gather(*(rates.admit(f"key{number:05}", Work.REPORT) for number in range(30)))
            assert time.monotonic() - began_s < NEVER_S
            queue.thaw()
            while not _shares(rates):  # noqa: ASYNC110 - counting there goes on without an event
                await asyncio.sleep(0.01)
            before = len(await _counted(queue))
            await rates.admit("bbbbbbbb", Work.REPORT)
            assert len(await _counted(queue)) == before + 1
        finally:
            await rates.close()

    asyncio.run(act())


def _shares(rates: Rates) -> bool:
    return rates._shared is not None and rates._shared.is_there


async def _counted(queue: PrivateQueue) -> list[bytes | str]:
    import redis.asyncio  # noqa: PLC0415

    async with redis.asyncio.Redis.from_url(queue.url) as client:
        return list(await client.keys("uptill:rates*"))


def polls() -> LivePolls:
    checked = check_polls(["a"], ["active"], ["2024-10-14T18:00:00Z"])
    assert isinstance(checked, LivePolls)
    return checked


def test_live_polls_without_a_waiting_caller_are_dropped(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "ANSWERED_S", 0.2)
    monkeypatch.setattr(group_commit, "_MAX_WAITING_POLLS", 2)

    async def act(live: GroupCommit, held: psycopg.Connection) -> None:
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="send the polls again"):
                await live.submit(polls())
        held.rollback()
        monkeypatch.setattr(group_commit, "ANSWERED_S", 60.0)
        counts = await _again(live)
        assert counts.accepted + counts.duplicate == 1

    with psycopg.connect(database_url) as held:
        held.execute("lock table ledger_head in access exclusive mode")
        live = GroupCommit(database_url)
        live.start()
        asyncio.run(act(live, held))
        live.close(30.0)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from observation").fetchone() == (1,)


async def _again(live: GroupCommit) -> RowCounts:
    while True:
        try:
            return await live.submit(polls())
        except Overloaded:
            await asyncio.sleep(0.01)


def test_the_end_of_ingest_does_not_wait_for_a_frozen_postgres(database_url: str) -> None:
    def submitted(live: GroupCommit) -> Callable[[], None]:
        def submit() -> None:
            with pytest.raises(DatabaseUnavailable):
                asyncio.run(live.submit(polls()))

        return submit

    with PostgresProxy(database_url) as proxy:
        live = GroupCommit(proxy.url)
        live.start()
        asyncio.run(live.submit(polls()))
        proxy.stall_at = proxy.bytes_sent
        caller = threading.Thread(target=submitted(live))
        caller.start()
        wait_until(proxy.stalled.is_set, "the transaction to hang")
        began_s = time.monotonic()
        live.close(0.1)
        assert time.monotonic() - began_s < NEVER_S
        proxy.go_away()
        caller.join()
