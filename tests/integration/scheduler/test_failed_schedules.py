"""A schedule that cannot be run becomes `failed`. Every list shows the reason, and the other schedules go on."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker
from fastapi.testclient import TestClient
from psycopg import AsyncConnection

from services.cli.doctor_data import check_schedules
from services.scheduler.schedules.due import fire_due
from services.scheduler.schedules.fire import FiredRun, fire_one
from services.worker.context import WorkerContext
from shared.queue import make_broker
from shared.reports.acceptance import BatchTerms
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services, wait_until

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
PATH = "/v1/report-schedules"
# Column, planted value, and a part of the reason.
FAULTS: dict[str, tuple[str, Any, str]] = {
    "the machine's zone": ("timezone", "localtime", "unknown time zone 'localtime'"),
    "a zone of no database": ("timezone", "Mars/Olympus", "'Mars/Olympus'"),
    "a zone longer than any": ("timezone", "x" * 300, "unknown time zone"),
    "no cron expression": ("cron", "whenever", "five fields"),
    "a cron expression out of range": ("cron", "61 * * * *", "invalid cron expression"),
    "a long cron expression": ("cron", "1," * 200 + "1 * * * 9", "invalid cron expression"),
    "a date that never comes": ("cron", "0 0 30 2 *", "Bad day-of-month"),
    "a policy of another release": ("report", {"policy": "newest"}, "unknown policy 'newest'"),
    "a format of another release": ("report", {"formats": ["ods"]}, "unknown formats 'ods'"),
    "a window of another release": ("report", {"windows": ["fortnight"]}, "'fortnight' is not a window"),
    "windows of another type": ("report", {"windows": 7}, "cannot be read"),
    "stores of another type": ("report", {"stores": ["a"]}, "cannot be read"),
    "another as_of": ("report", {"as_of": "yesterday"}, "unknown as_of"),
    "parameters that are a text": ("report", "classic", "cannot be read"),
    "parameters that are null": ("report", None, "cannot be read"),
    "a scope of another type": ("scope", ["anna"], "labels of its stores"),
    "a due time before all time": ("due_at", "-infinity", "timestamp"),
}


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, {"a": Store(polls=[(NOW, True)]), "b": Store(polls=[(NOW, True)])})
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    broker = make_broker(redis_url)
    yield broker
    broker.close()


def create(api: TestClient, name: str) -> str:
    body = {"name": name, "cron": "* * * * *", "timezone": "UTC", "report": {}}
    answer = api.post(PATH, json=body)
    assert answer.status_code == 201, answer.json()
    return str(answer.json()["id"])


def plant(conn: psycopg.Connection, schedule_id: str, column: str, value: Any) -> None:
    """Leave a value in the table as another release, or a person, might."""
    if column in {"report", "scope"}:
        given = conn.execute("select report from report_schedule where id = %s", [schedule_id]).fetchall()[0][
            0
        ]
        value = json.dumps({**given, **value} if isinstance(value, dict) else value)
    conn.execute(f"update report_schedule set {column} = %s where id = %s", [value, schedule_id])


def make_due(conn: psycopg.Connection) -> None:
    conn.execute(
        "update report_schedule set due_at = date_trunc('minute', clock_timestamp()) where isfinite(due_at)"
    )


def fire_all(url: str) -> list[FiredRun]:
    async def run() -> list[FiredRun]:
        async with await AsyncConnection.connect(url) as conn:
            fired = []
            while one := await fire_one(conn, BatchTerms(2, 60)):
                fired.append(one)
            return fired

    return asyncio.run(run())


@pytest.mark.parametrize("fault", FAULTS)
def test_it_fails_alone(
    fault: str, api: TestClient, settings: Settings, conn: psycopg.Connection, database_url: str
) -> None:
    column, value, reason = FAULTS[fault]
    before, bad, after = (create(api, name) for name in ("before", "bad", "after"))
    make_due(conn)
    plant(conn, bad, column, value)
    fired = {str(run.schedule_id): run for run in fire_all(database_url)}
    assert {each: run.has_failed for each, run in fired.items()} == {before: False, bad: True, after: False}
    assert fired[before].report_id
    assert fired[after].report_id
    shown = api.get(f"{PATH}/{bad}").json()
    assert (shown["state"], shown["next_due_at"], shown["next_due"]) == ("failed", None, [])
    assert reason in shown["error"]
    (run,) = shown["runs"]
    assert (run["report_id"], run["error"]) == (None, shown["error"])
    listed = {each["name"]: each["state"] for each in api.get(PATH).json()["schedules"]}
    assert listed == {"before": "active", "bad": "failed", "after": "active"}
    assert fire_all(database_url) == [], "it is not due again"
    state, advice, details = check_schedules(settings)
    assert (state, bool(advice)) == ("1 failed", True)
    assert reason in "".join(details)


def test_corrected_and_resumed_it_runs_again(
    api: TestClient, conn: psycopg.Connection, database_url: str
) -> None:
    bad = create(api, "bad")
    make_due(conn)
    plant(conn, bad, "timezone", "localtime")
    fire_all(database_url)
    refused = api.patch(f"{PATH}/{bad}", json={"state": "active"})
    assert (refused.status_code, refused.json()["field"]) == (422, "body.timezone")
    assert api.patch(f"{PATH}/{bad}", json={"state": "failed"}).status_code == 422
    corrected = api.patch(f"{PATH}/{bad}", json={"timezone": "Europe/Berlin"}).json()
    assert corrected["state"] == "failed", "until someone resumes it"
    resumed = api.patch(f"{PATH}/{bad}", json={"state": "active"}).json()
    assert (resumed["state"], resumed["error"]) == ("active", None)
    assert resumed["next_due_at"] > resumed["runs"][0]["due_at"]
    conn.execute("delete from schedule_run")
    make_due(conn)
    (run,) = fire_all(database_url)
    assert run.report_id


def test_parameters_of_another_type_are_corrected_by_a_change(
    api: TestClient, conn: psycopg.Connection, database_url: str
) -> None:
    bad = create(api, "bad")
    make_due(conn)
    plant(conn, bad, "report", "classic")
    fire_all(database_url)
    assert api.get(f"{PATH}/{bad}").json()["report"] is None
    assert api.patch(f"{PATH}/{bad}", json={"name": "still bad"}).status_code == 200
    changed = api.patch(f"{PATH}/{bad}", json={"report": {"policy": "strict"}, "state": "active"}).json()
    assert (changed["state"], changed["report"]["policy"]) == ("active", "strict")


def test_a_run_that_is_there_already_fails_its_schedule_and_no_other(
    api: TestClient, conn: psycopg.Connection, database_url: str
) -> None:
    """The insert of the run fails, as any statement might."""
    bad, good = create(api, "bad"), create(api, "good")
    make_due(conn)
    conn.execute(
        "insert into schedule_run (schedule_id, due_at, error) select id, due_at + n * interval '1 minute', 'planted'"
        " from report_schedule, generate_series(-1, 3) n where id = %s",
        [bad],
    )
    fired = {str(run.schedule_id): run for run in fire_all(database_url)}
    assert (fired[bad].has_failed, fired[good].has_failed) == (True, False)
    assert "UniqueViolation" in (fired[bad].error or "")
    assert conn.execute("select count(*) from report").fetchone() == (1,), "nothing of the failed one stays"


def test_one_round_fires_all_others(
    api: TestClient,
    settings: Settings,
    conn: psycopg.Connection,
    worker: WorkerContext,
    broker: RedisBroker,
) -> None:
    for number in range(3):
        plant(conn, create(api, f"bad {number}"), "timezone", "localtime")
    create(api, "good")
    make_due(conn)
    assert fire_due(worker.pool, broker, settings) == 4
    assert conn.execute("select count(*) from report").fetchone() == (1,)


def test_case_03_a_zone_that_the_scheduler_does_not_know(
    env: dict[str, str], conn: psycopg.Connection, tmp_path: Path
) -> None:
    """`localtime` is refused by HTTP and command. One that is stored stops neither schedules nor scheduler."""
    with Services({**env, "UPTILL_SWEEP_S": "0.1", "COLUMNS": "250"}, tmp_path) as services:
        services.api()
        refused = services.run("schedules", "create", "bad", "--cron", "* * * * *", "--zone", "localtime")
        assert refused.returncode == 2
        assert "unknown time zone 'localtime'" in refused.stderr
        made = [
            services.run("schedules", "create", name, "--cron", "0 0 1 1 *", "--zone", "UTC").stdout.strip()
            for name in ("bad", "good")
        ]
        plant(conn, made[0], "timezone", "localtime")
        make_due(conn)
        scheduler = services.scheduler()
        wait_until(
            lambda: conn.execute("select count(*) from schedule_run").fetchone() == (2,), "both to have a run"
        )
        shown = {name: services.run("schedules", "show", name).stdout for name in made}
        listed = services.run("schedules", "list")
        checked = services.run("doctor")
        assert scheduler.poll() is None
    assert listed.returncode == 0, listed.stderr
    assert "failed" in listed.stdout
    assert "unknown time zone 'localtime'" in shown[made[0]]
    assert "active" in shown[made[1]]
    assert conn.execute("select count(*) from report").fetchone() == (1,)
    assert f"schedule {made[0]} (bad): unknown time zone 'localtime'" in checked.stdout
    assert checked.returncode == 1


def test_case_03_by_http(api: TestClient) -> None:
    body = {"name": "bad", "cron": "* * * * *", "timezone": "localtime", "report": {}}
    refused = api.post(PATH, json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, "body.timezone")
