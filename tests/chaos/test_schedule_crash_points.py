"""The scheduler dies, fails or falls asleep while it fires a schedule or delivers its files: one report for the due time, and all its files."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from services.api.use_cases.schedules import create_schedule
from shared.keys import EVERY_STORE, create_key
from shared.schedules.model import ScheduleTerms
from shared.settings import Settings
from shared.storage import make_storage
from tests.chaos.test_scheduler_crash_points import ACTIONS, fails_at
from tests.fixtures.buckets import content_of
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import SmallFleet, await_success

pytestmark = pytest.mark.parametrize("action", ACTIONS)
_TERMS = ScheduleTerms(
    name="nightly",
    cron="0 3 * * *",
    timezone="America/Chicago",
    report={
        "policy": "classic",
        "detail": False,
        "windows": ["last_hour", "last_day", "last_week"],
        "formats": ["csv"],
        "stores": None,
        "as_of": "latest",
    },
    s3_prefix="finance",
)


def make_due(url: str) -> None:
    """A schedule whose time has come."""
    with psycopg.connect(url, autocommit=True) as conn:
        maker = create_key(conn, name="maker", scopes=["reports:write"]).split("_")[1]

        async def create() -> None:
            async with await AsyncConnection.connect(url) as session:
                await create_schedule(session, _TERMS, created_by=maker, visible=EVERY_STORE)

        asyncio.run(create())
        conn.execute("update report_schedule set due_at = clock_timestamp() - interval '1 second'")


@pytest.mark.parametrize("name", ["schedule.before_commit", "schedule.after_commit"])
def test_a_due_time_that_it_was_firing(
    name: str, action: str, idle_services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    services, url = idle_services, idle_services.settings["UPTILL_DATABASE_URL"]
    services.api()
    make_due(url)
    fails_at(services, name, action)
    with psycopg.connect(url, autocommit=True) as conn:
        if action != "raise":
            committed = int(name.endswith("after_commit"))
            assert conn.execute("select count(*) from report").fetchone() == (committed,)
        services.scheduler()
        services.worker()
        wait_until(lambda: conn.execute("select 1 from schedule_run").fetchone(), "the run")
        ((report_id,),) = conn.execute("select id from report").fetchall()
        await_success(services, str(report_id), small_fleet.expected, tmp_path)
        runs = conn.execute("select report_id, error from schedule_run").fetchall()
    assert runs == [(report_id, None)]


def test_files_that_it_had_copied(action: str, idle_services: Services, small_fleet: SmallFleet) -> None:
    services, url = idle_services, idle_services.settings["UPTILL_DATABASE_URL"]
    services.api()
    services.worker()
    make_due(url)
    fails_at(services, "delivery.after_copy", action)
    run = "select delivery, delivery_attempts, objects from schedule_run"
    with psycopg.connect(url, autocommit=True) as conn:
        if action != "raise":
            assert conn.execute(run).fetchone() == ("waiting", 1, [])
        conn.execute("update schedule_run set delivery_due_at = clock_timestamp()")  # the claim has run out
        services.scheduler()
        wait_until(lambda: conn.execute(f"{run} where delivery = 'delivered'").fetchone(), "the delivery")
        _, attempts, (key,) = conn.execute(run).fetchall()[0]
        assert conn.execute("select count(*) from report").fetchone() == (1,)
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in services.settings.items()}
    storage = make_storage(Settings.model_validate(values))
    assert attempts == 2
    assert [item.key for item in storage.list("deliveries/")] == [key]
    assert content_of(storage, key) == small_fleet.expected
