"""Sealing and opening weeks: nothing is lost or doubled, whatever happens at the same time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker
from fastapi.testclient import TestClient
from psycopg import Connection

from services.ingest.http.live_polls import LivePolls
from services.ingest.http.write_live import LiveWriter
from services.ingest.run import ingest_paths
from services.ingest.run.paths import plan_paths
from services.ingest.write.sealed_weeks import WeekSealed
from services.scheduler.retention import drop_old_weeks, remove_left_weeks
from services.scheduler.sealing import start_sealing
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared import failpoints
from shared.clock import to_us
from shared.db.connect import connect, make_pool
from shared.explain import explain
from shared.queue import make_broker
from shared.sealed import jobs
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.logins import with_login
from tests.fixtures.sealing import (
    EVER,
    open_all,
    open_wanted,
    seal,
    sealed_weeks,
    state_of,
    stored_polls,
)

NOW = datetime(2024, 11, 5, 20, 13, 7, 123456, tzinfo=UTC)
OLD, NEW = datetime(2024, 10, 14, tzinfo=UTC), datetime(2024, 11, 4, tzinfo=UTC)
LATE = OLD + timedelta(days=2, hours=3, microseconds=7)


def load(url: str, folder: Path, polls: list[tuple[str, str, datetime]]) -> Any:
    rows = [f"{store_id},{status},{at:%Y-%m-%d %H:%M:%S.%f} UTC" for store_id, status, at in polls]
    file = folder / f"{len(list(folder.iterdir()))}.csv"
    file.write_text("\n".join(["store_id,status,timestamp_utc", *rows]) + "\n")
    (done,) = ingest_paths(url, [str(file)])
    assert done.state == "succeeded"
    return done


@pytest.fixture
def conn(database_url: str, tmp_path: Path) -> Iterator[Connection]:
    """Three stores with hourly polls in two weeks that are not neighbours."""
    load(
        database_url,
        tmp_path,
        [
            (
                f"store-{n}",
                "active" if hour % 3 else "inactive",
                begin + timedelta(hours=hour, microseconds=n),
            )
            for n in range(3)
            for begin in (OLD, NEW)
            for hour in range(30)
        ],
    )
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def broker(settings: Settings) -> Iterator[RedisBroker]:
    broker = make_broker(settings.redis_url.get_secret_value())
    yield broker
    broker.close()


def rows_of(worker: WorkerContext) -> list[tuple[Any, ...]]:
    """All polls, without ledger numbers, after every week was opened."""
    open_all(worker)
    return [row[:3] for row in stored_polls(worker)]


def while_sealing(monkeypatch: pytest.MonkeyPatch, step: Callable[[], None]) -> None:
    """Do something once, between the file and the commit."""
    pending = [step]

    def interrupted(name: str) -> None:
        if name == "seal.after_check" and pending:
            pending.pop()()

    monkeypatch.setattr(failpoints, "hit", interrupted)


def test_weeks_without_polls_are_passed_over(conn: Connection, worker: WorkerContext) -> None:
    job = seal(worker)
    assert job is not None
    assert len(job.wakes) == 4
    assert state_of(conn, job) == "succeeded"
    assert sealed_weeks(worker) == [OLD, NEW]
    assert seal(worker) is None


def test_a_poll_that_arrives_while_a_week_is_sealed_is_kept(
    conn: Connection,
    worker: WorkerContext,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    while_sealing(monkeypatch, lambda: load(database_url, tmp_path, [("store-0", "inactive", LATE)]) and None)
    first = seal(worker)
    assert first is not None
    # The other week is sealed. This one waits for the next job.
    assert (state_of(conn, first), sealed_weeks(worker)) == ("succeeded", [NEW])
    expected = stored_polls(worker)
    assert (1, LATE, False) in [row[:3] for row in expected] or len(expected) == 91
    seal(worker)
    assert sealed_weeks(worker) == [OLD, NEW]
    assert len(rows_of(worker)) == 181


def test_of_two_sealers_one_seals(
    conn: Connection, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored_polls(worker)
    others = []
    while_sealing(monkeypatch, lambda: others.append(seal(worker)))
    first = seal(worker)
    assert first is not None
    assert others[0] is not None
    assert [state_of(conn, job) for job in (first, others[0])] == ["succeeded", "succeeded"]
    assert sealed_weeks(worker) == [OLD, NEW]
    # The object of the slower one is left to the janitor.
    assert conn.execute("select count(*) from sealed_object").fetchone() == (3,)
    open_all(worker)
    assert stored_polls(worker) == before


def test_a_file_with_late_polls_waits_until_its_week_is_open(
    conn: Connection, worker: WorkerContext, database_url: str, tmp_path: Path
) -> None:
    before = stored_polls(worker)
    seal(worker)
    done: list[Any] = []
    late = [
        ("store-0", "inactive", LATE),  # new
        ("store-1", "inactive", OLD + timedelta(microseconds=1)),  # as it was
        ("store-2", "inactive", OLD + timedelta(hours=1, microseconds=2)),  # corrects
    ]
    loading = Thread(target=lambda: done.append(load(database_url, tmp_path, late)))
    loading.start()
    while open_wanted(worker) is None:
        loading.join(0.05)
        assert loading.is_alive()
    loading.join()
    assert (done[0].accepted, done[0].duplicate, done[0].corrected) == (1, 1, 1)
    assert sealed_weeks(worker) == [NEW]
    # An opened week rests. Then it is sealed again, as another object.
    assert seal(worker) is None
    conn.execute("update sealed_week set opened_at = opened_at - interval '2 days'")
    seal(worker)
    assert sealed_weeks(worker) == [OLD, NEW]
    assert conn.execute("select count(*) from sealed_object").fetchone() == (3,)
    after = rows_of(worker)
    assert len(after) == len(before) + 1
    assert sum(row not in after for row in (each[:3] for each in before)) == 1
    assert conn.execute("select is_active, observed_at from superseded_poll").fetchall() == [
        (True, OLD + timedelta(hours=1, microseconds=2))
    ]


def test_a_live_call_with_late_polls_is_told_to_come_back(
    conn: Connection, worker: WorkerContext, database_url: str
) -> None:
    seal(worker, NEW)
    late, current = (
        LivePolls(["store-0"], np.array([to_us(at)]), np.array([True]))
        for at in (LATE, NEW + timedelta(days=1, microseconds=9))
    )
    with connect(database_url, application_name="test", autocommit=True) as other:
        writer = LiveWriter(other)
        refused, counted = writer.write_calls([late, current])
        assert isinstance(refused, WeekSealed)
        assert "2024-W42" in str(refused)
        assert getattr(counted, "accepted", None) == 1
        open_wanted(worker)
        (counted,) = writer.write_calls([late])
        assert getattr(counted, "accepted", None) == 1
    assert sealed_weeks(worker) == []
    assert conn.execute("select count(*) from observation").fetchone() == (182,)


def test_a_dry_run_asks_for_the_week(
    conn: Connection, worker: WorkerContext, database_url: str, tmp_path: Path
) -> None:
    seal(worker)
    file = tmp_path / "late.csv"
    file.write_text(f"store_id,status,timestamp_utc\nstore-0,active,{LATE:%FT%TZ}\n")
    with pytest.raises(WeekSealed, match="repeat the dry run") as refused:
        plan_paths(database_url, [str(file)])
    assert explain(refused.value).endswith("repeat the dry run then")
    open_wanted(worker)
    assert sealed_weeks(worker) == [NEW]
    (plan,) = plan_paths(database_url, [str(file)])
    assert plan.accepted == 1
    assert conn.execute("select count(*) from observation where observed_at < %s", [NEW]).fetchone() == (90,)


def test_a_writer_of_the_release_before_is_refused(conn: Connection, worker: WorkerContext) -> None:
    seal(worker)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="the week of 2024-10-14 is sealed"):
        conn.execute("select ensure_observation_partition(%s, true)", [LATE])


def test_weeks_are_sealed_only_after_the_upgrade(
    conn: Connection, worker: WorkerContext, database_url: str
) -> None:
    with worker.pool.connection() as other:
        job = jobs.accept_sealing(other, EVER, 60, None)
    assert job is not None
    with psycopg.connect(database_url, application_name="uptill-worker tzdata=2026.6 host/1") as old:
        old.execute("select 1")
        assert not compute_batch(worker, job.report_id, 0)
        waiting = conn.execute(
            "select burnt, error ->> 'detail' from report_batch where batch_no = 0"
        ).fetchone()
        assert waiting is not None
        assert waiting[0] == 0
        assert "uptill-worker" in waiting[1]
    conn.execute("update report_batch set due_since = now()")
    assert compute_batch(worker, job.report_id, 0)
    assert sealed_weeks(worker) == [OLD]


def test_the_scheduler_opens_at_once_and_seals_once_a_day(
    conn: Connection, worker: WorkerContext, settings: Settings, broker: RedisBroker
) -> None:
    pool = worker.pool
    assert start_sealing(pool, broker, settings) == 0
    daily = settings.model_copy(update={"seal_after_days": 1})
    assert start_sealing(pool, broker, daily) == 1
    assert start_sealing(pool, broker, daily) == 0
    conn.execute("update report set state = 'succeeded', finished_at = now()")
    assert start_sealing(pool, broker, daily) == 0
    conn.execute("update report set created_at = created_at - interval '1 day'")
    assert start_sealing(pool, broker, daily) == 1
    conn.execute("update report set state = 'succeeded', finished_at = now() where state <> 'succeeded'")
    seal(worker)
    conn.execute("update sealed_week set wanted_at = now() where starts_at = %s", [OLD])
    assert start_sealing(pool, broker, settings) == 1
    assert start_sealing(pool, broker, settings) == 0
    kinds = conn.execute("select kind from report where state = 'queued'").fetchall()
    assert kinds == [("unseal",)]


def test_retention_drops_a_sealed_week(conn: Connection, worker: WorkerContext) -> None:
    seal(worker)
    assert list(drop_old_weeks(conn, 1)) == ["observation_2024w42", "observation_2024w45"]
    assert sealed_weeks(worker) == []
    dropped = conn.execute("select starts_at from dropped_week order by seq").fetchall()
    assert dropped == [(OLD,), (NEW,)]
    assert conn.execute("select count(*) from sealed_store").fetchone() == (0,)


def test_the_janitor_removes_what_was_left_a_month_ago(conn: Connection, worker: WorkerContext) -> None:
    seal(worker)
    open_all(worker)
    seal(worker)
    keys = {item.key for item in worker.storage.list("polls/")}
    kept = {key for (key,) in conn.execute("select object from sealed_week")}
    assert (len(keys), len(kept)) == (4, 2)
    assert remove_left_weeks(conn, worker.storage) == 0
    conn.execute("update sealed_object set left_at = left_at - interval '31 days'")
    worker.storage.put("polls/of-another-database.parquet", b"", "text/plain")
    assert remove_left_weeks(conn, worker.storage) == 2
    left = {item.key for item in worker.storage.list("polls/")}
    assert left == kept | {"polls/of-another-database.parquet"}
    assert conn.execute("select count(*) from sealed_object").fetchone() == (2,)


def test_a_damaged_object_is_not_opened(conn: Connection, worker: WorkerContext) -> None:
    seal(worker)
    ((key,),) = conn.execute("select object from sealed_week where starts_at = %s", [OLD])
    whole = worker.storage.read_range(key, 0, 1 << 20)
    worker.storage.put(key, whole[:-1] + b"!", "text/plain")
    conn.execute("update sealed_week set wanted_at = now() where starts_at = %s", [OLD])
    with worker.pool.connection() as other:
        job = jobs.accept_opening(other, 60)
    assert job is not None
    assert not compute_batch(worker, job.report_id, 0)
    ((error,),) = conn.execute(
        "select error ->> 'detail' from report_batch where report_id = %s", [job.report_id]
    )
    assert key in error
    assert sealed_weeks(worker) == [OLD, NEW]
    worker.storage.put(key, whole, "text/plain")
    conn.execute("update report_batch set due_since = now() where report_id = %s", [job.report_id])
    assert compute_batch(worker, job.report_id, 0)
    assert sealed_weeks(worker) == [NEW]


def test_the_roles_of_the_services_suffice(
    conn: Connection, worker: WorkerContext, settings: Settings, broker: RedisBroker
) -> None:
    before = stored_polls(worker)
    url = with_login(settings, "uptill_worker").database_url.get_secret_value()
    with make_pool(url, application_name="test", max_size=2) as pool:
        limited = replace(worker, pool=pool)
        seal(limited)
        assert sealed_weeks(worker) == [OLD, NEW]
        ingest = with_login(settings, "uptill_ingest").database_url.get_secret_value()
        with connect(ingest, application_name="test", autocommit=True) as writer:
            late = LivePolls(["store-0"], np.array([to_us(LATE)]), np.array([True]))
            (refused,) = LiveWriter(writer).write_calls([late])
            assert isinstance(refused, WeekSealed)
        daily = settings.model_copy(update={"seal_after_days": 1})
        assert start_sealing(pool, broker, daily) == 1
        ((job_id,),) = conn.execute("select id from report where kind = 'unseal'")
        assert compute_batch(limited, job_id, 0)
        assert sealed_weeks(worker) == [NEW]
        conn.execute("update sealed_object set left_at = left_at - interval '31 days'")
        with pool.connection() as scheduler:
            assert remove_left_weeks(scheduler, worker.storage) == 1
    open_all(worker)
    assert stored_polls(worker) == before


def test_a_report_waits_for_the_bucket(
    conn: Connection, worker: WorkerContext, settings: Settings, api: TestClient
) -> None:
    """A batch over a sealed week is released, and no claim counts."""
    seal(worker)
    away = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    blind = replace(worker, storage=make_storage(away), inputs=InputCache(0))
    report = api.post("/v1/reports", json={"force": True}).json()
    assert not compute_batch(blind, UUID(report["id"]), 0)
    row = conn.execute(
        "select state, burnt, error ->> 'detail' from report_batch where report_id = %s and batch_no = 0",
        [report["id"]],
    ).fetchone()
    assert row == ("pending", 0, "the object store did not answer as expected")
