"""How stores are divided is computed again only when a store has come, not for every poll."""

import asyncio
from datetime import UTC, datetime

import psycopg
from psycopg import AsyncConnection

from shared.reports.ranges import BatchRanges, StoreRanges
from tests.fixtures.fleet import Store, load_fleet

POLL = datetime(2024, 10, 14, 12, tzinfo=UTC)
A_STORE = Store(polls=[(POLL, True)])
SIZE = 2


def ranges_now(database_url: str, ranges: BatchRanges) -> StoreRanges:
    async def ask() -> StoreRanges:
        async with await AsyncConnection.connect(database_url) as conn:
            ((seq,),) = await (await conn.execute("select seq from ledger_head")).fetchall()
            return await ranges.ranges_at(conn, {"accepted_seq": seq, "batch_stores": SIZE})

    return asyncio.run(ask())


def commit_polls(database_url: str) -> None:
    """A change of data that brings no store."""
    with psycopg.connect(database_url) as conn:
        conn.execute("update ledger_head set seq = seq + 1")


def test_only_a_new_store_has_them_computed_again(database_url: str) -> None:
    ranges = BatchRanges()
    assert ranges_now(database_url, ranges) == StoreRanges([None], [None], [0])
    load_fleet(database_url, {"a": A_STORE, "b": A_STORE, "c": A_STORE, "never polled": Store()})
    first = ranges_now(database_url, ranges)
    assert first == StoreRanges(["a", "c"], ["b", "c"], [2, 1])
    commit_polls(database_url)
    assert ranges_now(database_url, ranges) is first
    load_fleet(database_url, {"d": A_STORE})
    assert ranges_now(database_url, ranges) == StoreRanges(["a", "c"], ["b", "d"], [2, 2])
    assert ranges_now(database_url, BatchRanges()) == ranges_now(database_url, ranges)
