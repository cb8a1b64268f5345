"""Concurrent callers share database round trips, and each gets only what it may see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from services.api.report_reads import ReportReads
from shared.db.connect import make_async_pool
from shared.errors import DatabaseUnavailable, ReportNotFound
from shared.ids import new_id
from shared.keys import EVERY_STORE, StoreScope
from shared.reports.model import Report

_NORTH, _SOUTH = StoreScope({"region": "n"}), StoreScope({"region": "s"})
_INSERT = """
    insert into report (id, as_of, policy, policy_version, data_cut, scope)
    values (%s, now(), 'classic', 1, 0, %s)
"""
_BLOCKED = """
    select pid from pg_stat_activity
    where datname = current_database() and application_name = 'test-reads' and wait_event_type = 'Lock'
"""


async def insert(conn: psycopg.AsyncConnection, labels: dict[str, str] | None = None) -> UUID:
    report_id = new_id()
    await conn.execute(_INSERT, [report_id, None if labels is None else Jsonb(labels)])
    return report_id


@asynccontextmanager
async def opened(database_url: str) -> AsyncIterator[tuple[AsyncConnectionPool, psycopg.AsyncConnection]]:
    """Yield the pool of the reads, and another session."""
    pool = make_async_pool(database_url, application_name="test-reads", max_size=4, statement_timeout_s=60)
    async with pool, await psycopg.AsyncConnection.connect(database_url, autocommit=True) as beside:
        yield pool, beside


@asynccontextmanager
async def held_up(
    reads: ReportReads, database_url: str, report_id: UUID
) -> AsyncIterator[tuple[psycopg.AsyncConnection, asyncio.Task[Report], int]]:
    """Block a query until the block ends. Yield the blocking session, the query's caller, and its backend."""
    async with await psycopg.AsyncConnection.connect(database_url) as holding:
        await holding.execute("lock table report in access exclusive mode")
        first = asyncio.create_task(reads.read_report(report_id, EVERY_STORE))
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as beside:
            while (waiting := await (await beside.execute(_BLOCKED)).fetchone()) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield holding, first, waiting[0]


def test_callers_during_a_query_share_the_next_one_and_see_the_latest_commit(
    database_url: str,
) -> None:
    async def scenario() -> None:
        async with opened(database_url) as (pool, beside):
            reads = ReportReads(pool)
            ids = [await insert(beside) for _ in range(3)]
            before = pool.get_stats().get("requests_num", 0)
            async with held_up(reads, database_url, ids[0]) as (holding, _, _):
                later = [asyncio.create_task(reads.read_report(ids[n % 3], EVERY_STORE)) for n in range(30)]
                await asyncio.sleep(0)
                await holding.execute("update report set state = 'canceled'")
            found = await asyncio.gather(*later)
            assert [report.id for report in found] == ids * 10
            assert {report.state for report in found} == {"canceled"}
            assert pool.get_stats().get("requests_num", 0) - before == 2

    asyncio.run(scenario())


def test_each_caller_sees_what_its_scope_allows(database_url: str) -> None:
    async def scenario() -> None:
        async with opened(database_url) as (pool, beside):
            reads = ReportReads(pool)
            of_north, of_all = await insert(beside, {"region": "n"}), await insert(beside)
            asked = [(each, scope) for each in (of_north, of_all) for scope in (EVERY_STORE, _NORTH, _SOUTH)]
            found = await asyncio.gather(
                *(reads.read_report(*each) for each in asked), return_exceptions=True
            )
            seen = [None if isinstance(each, ReportNotFound) else each.id for each in found]  # type: ignore[union-attr]
            assert seen == [of_north, of_north, None, of_all, None, None]

    asyncio.run(scenario())


def test_an_outage_fails_waiting_callers_but_no_later_ones(database_url: str) -> None:
    async def scenario() -> None:
        async with opened(database_url) as (pool, beside):
            reads = ReportReads(pool)
            report_id = await insert(beside)
            async with held_up(reads, database_url, report_id) as (_, first, waiting):
                later = asyncio.create_task(reads.read_report(report_id, EVERY_STORE))
                await beside.execute("select pg_terminate_backend(%s)", [waiting])
                with pytest.raises(DatabaseUnavailable):
                    await first
            assert (await later).id == report_id

    asyncio.run(scenario())
