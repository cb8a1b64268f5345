"""The database wakes waiters of a report, even after it closed the listener's connection."""

import asyncio
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from services.api.changes import ReportChanges, ReportWaiter
from shared.ids import new_id

_PATIENCE_S = 30.0
_INSERT = """
    insert into report (id, as_of, policy, policy_version, data_cut) values (%(id)s, now(), 'classic', 1, 0)
"""
_BATCH = "insert into report_batch (report_id, batch_no, stores) values (%(id)s, 0, 0)"
_DONE = "update report_batch set state = 'done', part = 'x', data_cut = 0 where report_id = %(id)s"
_END = "update report set state = 'failed', error = %(error)s where id = %(id)s"


def execute(database_url: str, statement: str, report_id: UUID) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute(statement.encode(), {"id": report_id, "error": Jsonb({})})


async def woken(waiter: ReportWaiter) -> None:
    await asyncio.wait_for(waiter.changed.wait(), _PATIENCE_S)
    waiter.changed.clear()


async def listener_is_there(database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
        while not await _listeners(conn):  # noqa: ASYNC110  another process's session
            await asyncio.sleep(0.02)


async def _listeners(conn: psycopg.AsyncConnection) -> list[int]:
    cursor = await conn.execute(
        "select pid from pg_stat_activity where datname = current_database() and application_name = 'uptill-api'"
        " and state = 'idle' and query = 'listen report_changed'"
    )
    return [pid for (pid,) in await cursor.fetchall()]


def test_progress_and_end_wake_the_right_waiters(database_url: str) -> None:
    report_id, other_id = new_id(), new_id()
    for one in (report_id, other_id):
        execute(database_url, _INSERT, one)
        execute(database_url, _BATCH, one)

    async def scenario() -> None:
        changes = ReportChanges(database_url)
        async with changes.keep_listening():
            await listener_is_there(database_url)
            with (
                changes.watch_report(report_id, progress=True) as progress,
                changes.watch_report(report_id) as end,
                changes.watch_report(other_id, progress=True) as other,
            ):
                await asyncio.to_thread(execute, database_url, _DONE, report_id)
                await woken(progress)
                assert not end.changed.is_set(), "a batch is not the end"
                await asyncio.to_thread(execute, database_url, _END, report_id)
                await woken(progress)
                await woken(end)
                assert not other.changed.is_set(), "another's report"

    asyncio.run(scenario())


def test_a_listener_reconnects_and_wakes_every_waiter(database_url: str) -> None:
    report_id = new_id()
    execute(database_url, _INSERT, report_id)

    async def scenario() -> None:
        changes = ReportChanges(database_url)
        async with changes.keep_listening():
            await listener_is_there(database_url)
            with changes.watch_report(report_id) as waiter:
                async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
                    for pid in await _listeners(conn):
                        await conn.execute("select pg_terminate_backend(%s)", [pid])
                    await woken(waiter)
                await asyncio.to_thread(execute, database_url, _END, report_id)
                await woken(waiter)

    asyncio.run(scenario())


def test_a_report_without_waiters_is_forgotten() -> None:
    changes = ReportChanges("postgresql://unused")
    with changes.watch_report(new_id()):
        pass
    assert not changes._waiters
