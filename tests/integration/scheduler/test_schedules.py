"""Schedules over real Postgres and S3: one report for a due time, whoever fires, and its files delivered."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from services.api.use_cases.schedules import (
    change_schedule,
    create_schedule,
    get_schedule,
    list_runs,
    list_schedules,
)
from services.scheduler.schedules.deliver import deliver_files, deliver_one
from services.scheduler.schedules.fire import FiredRun, fire_one
from services.worker.context import WorkerContext
from shared.errors import InvalidRequest, ScheduleNotFound
from shared.keys import EVERY_STORE, StoreScope, create_key, revoke_key
from shared.metrics.registry import OBJECTS_REFUSED
from shared.reports.acceptance import BatchTerms
from shared.reports.due import bury_poison
from shared.reports.end import retry_report
from shared.schedules.model import Run, ScheduleTerms, StoredSchedule
from tests.fixtures.buckets import content_of
from tests.fixtures.damage import DAMAGES
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work

T = TypeVar("T")
NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
TERMS = ScheduleTerms(
    name="hourly, north",
    cron="0 * * * *",
    timezone="America/New_York",
    report={
        "policy": "classic",
        "detail": False,
        "windows": ["last_day"],
        "formats": ["csv"],
        "stores": None,
        "as_of": "latest",
    },
)


@pytest.fixture
def maker(database_url: str) -> str:
    """The prefix of a key; two stores are known, one of them anna's."""
    load_fleet(database_url, {"a": Store(polls=[(NOW, True)]), "b": Store(polls=[(NOW, True)])})
    with psycopg.connect(database_url) as conn:
        conn.execute("""update store set labels = '{"owner": "anna"}' where store_id = 'a'""")
        return create_key(conn, name="maker", scopes=["reports:write"]).split("_")[1]


def on(database_url: str, act: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def run() -> T:
        async with await AsyncConnection.connect(database_url) as conn:
            return await act(conn)

    return asyncio.run(run())


def make(
    url: str, maker: str, terms: ScheduleTerms = TERMS, visible: StoreScope = EVERY_STORE
) -> StoredSchedule:
    return on(url, lambda conn: create_schedule(conn, terms, created_by=maker, visible=visible))


def make_due(url: str, *, hours: int = 0) -> None:
    """The time comes: the start of this hour, or so many hours before."""
    with psycopg.connect(url) as conn:
        conn.execute(
            "update report_schedule set due_at = date_trunc('hour', clock_timestamp()) - make_interval(hours => %s)",
            [hours],
        )


def fire(url: str) -> FiredRun | None:
    return on(url, lambda conn: fire_one(conn, BatchTerms(2, 60)))


def runs(url: str, schedule: StoredSchedule) -> list[Run]:
    return on(url, lambda conn: list_runs(conn, schedule.id))


def count(url: str, table: str) -> Any:
    with psycopg.connect(url) as conn:
        (number,) = conn.execute(f"select count(*) from {table}").fetchone() or (None,)
    return number


def test_it_is_not_due_before_its_time(database_url: str, maker: str) -> None:
    make(database_url, maker)
    assert fire(database_url) is None


def test_two_that_fire_at_once_make_one_report(database_url: str, maker: str) -> None:
    schedule = make(database_url, maker)
    make_due(database_url)

    async def both() -> list[FiredRun | None]:
        conns = [await AsyncConnection.connect(database_url) for _ in range(4)]
        try:
            return list(await asyncio.gather(*(fire_one(conn, BatchTerms(2, 60)) for conn in conns)))
        finally:
            for conn in conns:
                await conn.close()

    (fired,) = [each for each in asyncio.run(both()) if each is not None]
    assert count(database_url, "report") == 1
    (run,) = runs(database_url, schedule)
    assert (run.report_id, run.due_at, run.error) == (fired.report_id, fired.due_at, None)


def test_a_death_before_the_commit_leaves_the_time_due(
    database_url: str, maker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(database_url, maker)
    make_due(database_url)

    def die(name: str) -> None:
        raise RuntimeError(name)

    with monkeypatch.context() as patched:
        patched.setattr("services.scheduler.schedules.fire.failpoints.hit", die)
        with pytest.raises(RuntimeError, match=r"schedule\.before_commit"):
            fire(database_url)
    assert count(database_url, "report") == 0
    assert fire(database_url) is not None
    assert fire(database_url) is None
    assert count(database_url, "report") == 1


def test_of_missed_times_only_the_newest_is_made_up_for(database_url: str, maker: str) -> None:
    schedule = make(database_url, maker, replace(TERMS, report={**TERMS.report, "as_of": "due"}))
    make_due(database_url, hours=30)
    fired = fire(database_url)
    assert fired is not None
    assert fire(database_url) is None
    (run,) = runs(database_url, schedule)
    with psycopg.connect(database_url) as conn:
        row = conn.execute("select as_of, date_trunc('hour', created_at) from report").fetchone()
    assert row == (run.due_at, run.due_at)


def test_a_paused_one_does_not_fire_and_does_not_catch_up(database_url: str, maker: str) -> None:
    schedule = make(database_url, maker)

    def become(state: Any) -> StoredSchedule:
        return on(
            database_url,
            lambda conn: change_schedule(conn, schedule.id, EVERY_STORE, by=maker, state=state),
        )

    assert become("paused").state == "paused"
    make_due(database_url, hours=5)
    assert fire(database_url) is None
    assert become("active").due_at > datetime.now(UTC)
    assert fire(database_url) is None


def test_of_an_owner_it_holds_the_owners_stores_and_others_do_not_see_it(
    database_url: str, maker: str
) -> None:
    anna = StoreScope({"owner": "anna"})
    everyones, annas = make(database_url, maker), make(database_url, maker, visible=anna)
    listed = on(database_url, lambda conn: list_schedules(conn, anna, limit=10))
    assert [each.id for each in listed] == [annas.id]
    for other in (anna, StoreScope({"owner": "ben"})):
        hidden = everyones if other == anna else annas
        with pytest.raises(ScheduleNotFound):
            on(database_url, lambda conn, of=hidden, by=other: get_schedule(conn, of.id, by))  # type: ignore[misc]
    make_due(database_url)
    totals = {}
    while (fired := fire(database_url)) is not None:
        with psycopg.connect(database_url) as conn:
            row = conn.execute(
                "select sum(stores) from report_batch where report_id = %s", [fired.report_id]
            ).fetchone()
        totals[fired.schedule_id] = row and row[0]
    assert totals == {everyones.id: 2, annas.id: 1}


def test_of_a_revoked_key_no_report_is_made_and_the_run_says_so(database_url: str, maker: str) -> None:
    schedule = make(database_url, maker)
    make_due(database_url)
    with psycopg.connect(database_url) as conn:
        assert revoke_key(conn, maker)
    assert fire(database_url) is not None
    (run,) = runs(database_url, schedule)
    assert (run.report_id, count(database_url, "report")) == (None, 0)
    assert "revoked" in (run.error or "")


@pytest.mark.parametrize("prefix", ["", "/a", "a/", "a//b", "../a", "a/..", "a/./b", "a b", "a" * 201])
def test_a_prefix_that_could_lead_elsewhere_is_refused(database_url: str, maker: str, prefix: str) -> None:
    with pytest.raises(InvalidRequest):
        make(database_url, maker, replace(TERMS, s3_prefix=prefix))


def test_runs_are_forgotten_after_90_days_but_not_before_their_delivery(
    database_url: str, maker: str
) -> None:
    schedule = make(database_url, maker)
    with psycopg.connect(database_url) as conn:
        for days, delivery in ((80, "none"), (100, "none"), (101, "waiting")):
            conn.execute(
                "insert into schedule_run (schedule_id, due_at, error, delivery)"
                " values (%s, clock_timestamp() - make_interval(days => %s), 'refused', %s)",
                [schedule.id, days, delivery],
            )
    make_due(database_url)
    assert fire(database_url) is not None
    ages = [(datetime.now(UTC) - run.due_at).days for run in runs(database_url, schedule)]
    assert ages == [0, 80, 101]


def test_a_report_that_failed_is_delivered_once_somebody_has_tried_it_again(
    database_url: str, maker: str, worker: WorkerContext
) -> None:
    schedule = make(database_url, maker, replace(TERMS, s3_prefix="daily"))
    make_due(database_url)
    fired = fire(database_url)
    assert fired is not None
    assert fired.report_id is not None
    report_id = fired.report_id
    with worker.pool.connection() as conn:
        conn.execute("update report_batch set burnt = 5")
        assert bury_poison(conn, 5) == [report_id]
    assert deliver_one(worker.pool, worker.storage) is None
    (run,) = runs(database_url, schedule)
    assert (run.report_state, run.delivery, run.delivery_error) == ("failed", "failed", "the report failed")
    on(database_url, lambda conn: retry_report(conn, report_id, EVERY_STORE, republish_s=60))
    work(worker, str(report_id))
    assert deliver_one(worker.pool, worker.storage) is not None
    assert [run.delivery for run in runs(database_url, schedule)] == ["delivered"]


@pytest.mark.parametrize("state", ["canceled", "expired"])
def test_what_will_have_no_files_is_given_up(
    database_url: str, maker: str, worker: WorkerContext, state: str
) -> None:
    schedule = make(database_url, maker, replace(TERMS, s3_prefix="daily"))
    make_due(database_url)
    assert fire(database_url) is not None
    with worker.pool.connection() as conn:
        conn.execute("update report set state = %s, finished_at = clock_timestamp()", [state])
    assert deliver_one(worker.pool, worker.storage) is None
    (run,) = runs(database_url, schedule)
    assert (run.delivery, run.delivery_error) == ("failed", f"the report was {state}")


def test_another_name_or_prefix_meanwhile_makes_no_second_copy(
    database_url: str, maker: str, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make(database_url, maker, replace(TERMS, s3_prefix="daily"))
    make_due(database_url)
    fired = fire(database_url)
    assert fired is not None
    work(worker, str(fired.report_id))

    def die(name: str) -> None:
        raise RuntimeError(name)

    with monkeypatch.context() as patched:
        patched.setattr("services.scheduler.schedules.deliver.failpoints.hit", die)
        with pytest.raises(RuntimeError, match=r"delivery\.after_copy"):
            deliver_one(worker.pool, worker.storage)
    changes = {"name": "monthly", "s3_prefix": "elsewhere"}
    on(
        database_url,
        lambda conn: change_schedule(conn, schedule.id, EVERY_STORE, by=maker, state=None, **changes),
    )
    with worker.pool.connection() as conn:
        conn.execute("update schedule_run set delivery_due_at = clock_timestamp()")
    assert deliver_one(worker.pool, worker.storage) is not None
    (run,) = runs(database_url, schedule)
    assert [item.key for item in worker.storage.list("deliveries/")] == list(run.objects)


def test_a_changed_file_is_not_delivered_until_it_is_put_back(
    database_url: str, maker: str, worker: WorkerContext
) -> None:
    schedule = make(database_url, maker, replace(TERMS, s3_prefix="anna/daily"))
    make_due(database_url)
    fired = fire(database_url)
    assert fired is not None
    work(worker, str(fired.report_id))
    ((key, whole),) = (
        (item.key, content_of(worker.storage, item.key))
        for item in worker.storage.list(f"reports/{fired.report_id}/")
    )
    for how, said in (("one digit", "SHA-256"), ("half", "bytes instead of")):
        worker.storage.put(key, DAMAGES[how](whole), "binary/octet-stream")
        refused = OBJECTS_REFUSED.labels("delivery")._value.get()
        deliver_files(worker.pool, worker.storage)
        (run,) = runs(database_url, schedule)
        assert run.delivery == "waiting"
        assert said in (run.delivery_error or "")
        assert OBJECTS_REFUSED.labels("delivery")._value.get() == refused + 1
        assert list(worker.storage.list("deliveries/")) == []
        with worker.pool.connection() as conn:
            conn.execute("update schedule_run set delivery_due_at = clock_timestamp()")
    worker.storage.put(key, whole, "binary/octet-stream")
    deliver_files(worker.pool, worker.storage)
    (run,) = runs(database_url, schedule)
    assert (run.delivery, run.delivery_error) == ("delivered", None)
    assert content_of(worker.storage, run.objects[0]) == whole


def test_outages_are_copied_next_to_the_report(database_url: str, maker: str, worker: WorkerContext) -> None:
    with_outages = {**TERMS.report, "files": ["report", "outages"], "formats": ["csv", "json"]}
    schedule = make(database_url, maker, replace(TERMS, s3_prefix="anna", report=with_outages))
    make_due(database_url)
    fired = fire(database_url)
    assert fired is not None
    work(worker, str(fired.report_id))
    assert deliver_one(worker.pool, worker.storage) is not None
    (run,) = runs(database_url, schedule)
    stem = run.objects[0].removesuffix(".csv")
    assert run.objects == [f"{stem}.csv", f"{stem}.json", f"{stem}-outages.csv", f"{stem}-outages.json"]
    with psycopg.connect(database_url) as conn:
        sources = conn.execute("select object from report_file order by kind desc, format").fetchall()
    for key, (source,) in zip(run.objects, sources, strict=True):
        assert content_of(worker.storage, key) == content_of(worker.storage, source)


def test_files_are_copied_once_under_a_key_of_their_own(
    database_url: str, maker: str, worker: WorkerContext
) -> None:
    schedule = make(database_url, maker, replace(TERMS, s3_prefix="anna/daily"))
    make_due(database_url)
    fired = fire(database_url)
    assert fired is not None
    assert deliver_one(worker.pool, worker.storage) is None, "its report has not ended"
    assert [run.delivery for run in runs(database_url, schedule)] == ["waiting"]
    work(worker, str(fired.report_id))
    assert deliver_one(worker.pool, worker.storage) is not None
    assert deliver_one(worker.pool, worker.storage) is None
    (run,) = runs(database_url, schedule)
    (key,) = run.objects
    assert (run.delivery, run.delivery_error) == ("delivered", None)
    assert key.startswith("deliveries/anna/daily/hourly-north-")
    assert key.endswith(f"-{UUID(str(schedule.id)).hex[-12:]}.csv")
    with psycopg.connect(database_url) as conn:
        (source,) = conn.execute("select object from report_file").fetchone() or ("",)
    assert content_of(worker.storage, key) == content_of(worker.storage, source)
