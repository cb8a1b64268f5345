"""Old weeks, old reports and old rejected rows go; a report never sees half of it, and no figure shrinks."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from services.scheduler.retention import drop_old_weeks, forget_rejects, forget_reports, forget_sessions
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared.db.connect import make_pool
from shared.db.queries import queries
from shared.ids import new_id
from shared.keys import create_key
from shared.metrics.looked_up import REPORT_LATENCY
from shared.reports.acceptance import BatchTerms
from shared.reports.claim import LeaseTerms
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.trigger import trigger_report
from shared.settings import Settings
from shared.storage import Storage, make_storage
from tests.fixtures.fleet import Store, load_fleet

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=90)
KEEP_DAYS = 30


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    polls = [(LONG_AGO - timedelta(hours=1), True), (LONG_AGO, True), (NOW - timedelta(hours=1), True)]
    load_fleet(database_url, {"a": Store(polls=polls), "b": Store(polls=polls)})
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def storage(env: dict[str, str]) -> Storage:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    return make_storage(Settings.model_validate(values))


@pytest.fixture
def worker(database_url: str, storage: Storage) -> Iterator[WorkerContext]:
    with make_pool(database_url, application_name="test", max_size=2) as pool:
        yield WorkerContext(pool, storage, LeaseTerms("test", 60, 5), lambda _: None, InputCache(1 << 27))


def report(database_url: str, **parameters: object) -> UUID:
    async def run() -> UUID:
        async with await AsyncConnection.connect(database_url) as conn:
            request = ReportRequest(policy="classic", force=True, **parameters)  # type: ignore[arg-type]
            return (await trigger_report(conn, request, ReportCaller("test"), BatchTerms(1, 60))).report_id

    return asyncio.run(run())


def polls(conn: psycopg.Connection) -> list[datetime]:
    return [at for (at,) in conn.execute("select distinct observed_at from observation order by 1")]


def test_only_weeks_that_ended_long_enough_ago_are_dropped(conn: psycopg.Connection) -> None:
    before = conn.execute("select seq from ledger_head").fetchone()
    conn.execute("set role uptill_worker")
    dropped = list(drop_old_weeks(conn, KEEP_DAYS))
    conn.execute("reset role")
    assert dropped
    assert polls(conn) == [NOW - timedelta(hours=1)]
    assert before is not None
    rows = conn.execute(
        "select source, commit_seq, min_at <= %s and max_at > min_at from import join import_chunk on import_id = id order by 2",
        [LONG_AGO],
    ).fetchall()
    assert rows == [
        (f"retention of {week}", before[0] + number, True) for number, week in enumerate(dropped, start=1)
    ]
    assert list(drop_old_weeks(conn, KEEP_DAYS)) == []
    assert list(drop_old_weeks(conn, 0)) == []


def test_a_report_of_that_time_is_read_wholly_before_or_wholly_after(
    conn: psycopg.Connection, database_url: str, worker: WorkerContext
) -> None:
    report_id = report(database_url, as_of=LONG_AGO)
    assert compute_batch(worker, report_id, 0)
    assert list(drop_old_weeks(conn, KEEP_DAYS))
    assert compute_batch(worker, report_id, 1)
    due = "select batch_no, round from report_batch where report_id = %s and state = 'pending'"
    assert conn.execute(due, [report_id]).fetchall() == [(0, 1)]  # sent round again
    assert compute_batch(worker, report_id, 0)
    assert conn.execute("select state from report where id = %s", [report_id]).fetchone() == ("succeeded",)


def test_a_week_that_is_being_read_stays_for_another_round(
    conn: psycopg.Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as reader:
        reader.execute("select count(*) from observation")
        assert list(drop_old_weeks(conn, KEEP_DAYS)) == []
    assert list(drop_old_weeks(conn, KEEP_DAYS))


def test_an_old_report_goes_with_its_objects_and_its_latency_stays(
    conn: psycopg.Connection, database_url: str, worker: WorkerContext, storage: Storage
) -> None:
    old, young, kept = (report(database_url) for _ in range(3))
    for report_id in (old, young, kept):
        assert compute_batch(worker, report_id, 0)
        assert compute_batch(worker, report_id, 1)
    aged = "update report set state = 'expired', created_at = created_at - %(age)s, finished_at = finished_at - %(age)s, expired_at = clock_timestamp() - %(age)s where id = %(id)s"
    conn.execute(aged, {"age": timedelta(days=KEEP_DAYS + 1), "id": old})
    conn.execute(aged, {"age": timedelta(days=KEEP_DAYS - 1), "id": young})
    before = latency(conn)
    assert forget_reports(conn, storage, 0) == 0
    assert forget_reports(conn, storage, KEEP_DAYS) == 1
    assert {row[0] for row in conn.execute("select id from report")} == {young, kept}
    assert list(storage.list(f"reports/{old}/")) == []
    assert list(storage.list(f"reports/{kept}/"))
    after = latency(conn)
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert [row[2] for row in after] == pytest.approx([row[2] for row in before])
    assert sum(row[1] for row in before) == 3


def latency(conn: psycopg.Connection) -> list[tuple[int, int, float]]:
    rows = conn.execute(
        queries("facts")["report_latency_seconds"], {"buckets": [0.0, *REPORT_LATENCY.buckets]}
    ).fetchall()
    return sorted(rows)


def test_rejected_rows_go_and_their_count_stays(conn: psycopg.Connection) -> None:
    for age_days in (KEEP_DAYS + 1, KEEP_DAYS - 1):
        import_id = new_id()
        conn.execute(
            "insert into import (id, kind, source, state, rows_read, rejected, finished_at)"
            " values (%s, 'polls', 'x.csv', 'succeeded', 1, 1, clock_timestamp() - %s)",
            [import_id, timedelta(days=age_days)],
        )
        conn.execute("insert into import_reject values (%s, 2, 30, 'columns', 'x')", [import_id])
    assert forget_rejects(conn, 0) == 0
    assert forget_rejects(conn, KEEP_DAYS) == 1
    assert conn.execute(
        "select count(*), (select sum(rejected) from import) from import_reject"
    ).fetchone() == (1, 2)


def test_sessions_of_the_page_that_ended_are_deleted(conn: psycopg.Connection) -> None:
    prefix = create_key(conn, name="people", scopes=["reports:read"]).split("_")[1]
    ages = {b"a": (10, 0), b"b": (50, 1), b"c": (50, 9), b"d": (200, 1)}
    for name, (created_h, used_h) in ages.items():
        conn.execute(
            "insert into page_session values (sha256(%s), %s, now() - %s * interval '1 hour', now() - %s * interval '1 hour')",
            [name, prefix, created_h, used_h],
        )
    conn.execute("set role uptill_worker")
    assert forget_sessions(conn, 8 * 3600.0, 168 * 3600.0) == 2
    conn.execute("reset role")
    left = conn.execute(
        "select created_at < now() - interval '20 hours' from page_session order by 1"
    ).fetchall()
    assert left == [(False,), (True,)]
