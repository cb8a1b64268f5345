"""Every service on its own against servers started by hand: the bytes do not depend on who computed them, or how often."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.cli.sample import write_sample
from tests.fixtures.services import Services, kill_group, wait_until
from tests.oracle.report import expected_csv

STORES, DAYS, BATCH_STORES = 400, 9, 20


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sample")
    write_sample(directory, stores=STORES, days=DAYS)
    return directory


@pytest.fixture
def services(env: dict[str, str], sample: Path, tmp_path: Path) -> Iterator[Services]:
    """The API and a scheduler over a loaded database; workers are up to the test."""
    quick = {"UPTILL_LEASE_S": "3", "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}
    with Services({**env, **quick, "UPTILL_BATCH_STORES": str(BATCH_STORES)}, tmp_path) as services:
        ingested = services.run("ingest", str(sample))
        assert ingested.returncode == 0, ingested.stderr
        services.api()
        services.scheduler()
        yield services


def report(services: Services, directory: Path) -> bytes:
    """The bytes of one report, by the command."""
    path = directory / "report.csv"
    made = services.run("report", "-o", str(path))
    assert made.returncode == 0, made.stderr
    return path.read_bytes()


def test_two_workers_share_a_report_and_a_killed_one_changes_nothing(
    services: Services, sample: Path, tmp_path: Path
) -> None:
    expected = expected_csv(
        *(sample / name for name in ("store_status.csv", "menu_hours.csv", "timezones.csv"))
    )
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        first = services.worker()
        by_one = report(services, tmp_path)
        assert by_one == expected
        second = services.worker()
        by_two = report(services, tmp_path)
        assert by_two == by_one
        shared = conn.execute(
            "select count(distinct worker) from report_batch group by report_id order by report_id"
        ).fetchall()
        assert shared == [(1,), (2,)]

        with services.client() as client:
            accepted = client.create_report()
            victim = _stop_one_that_holds_a_batch(conn, accepted.id, [first, second])
            kill_group(victim, signal.SIGKILL)
            *_, ended = client.follow(accepted.id)
            assert ended.state == "succeeded"
            client.save(ended.files[0], tmp_path / "after-kill.csv")
        assert (tmp_path / "after-kill.csv").read_bytes() == by_one
        attempts = conn.execute(
            "select max(attempt) from report_batch where report_id = %s", [accepted.id]
        ).fetchone()
        assert attempts is not None
        assert attempts[0] > 1, "the killed worker held a batch, and another took it over"


def _stop_one_that_holds_a_batch(
    conn: psycopg.Connection, report_id: str, workers: list[subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    """Freeze workers in turn until one is caught in the middle of a batch; that one stays frozen."""
    caught: list[subprocess.Popen[bytes]] = []

    def try_each() -> bool:
        for worker in workers:
            kill_group(worker, signal.SIGSTOP)
            held = conn.execute(
                "select worker from report_batch where report_id = %s and state = 'leased'", [report_id]
            ).fetchall()
            if any(os.getpgid(int(name.rsplit("/")[-1])) == worker.pid for (name,) in held):
                caught.append(worker)
                return True
            kill_group(worker, signal.SIGCONT)
        ended = conn.execute("select state from report where id = %s", [report_id]).fetchone()
        assert ended in (("queued",), ("running",)), (
            "the report ended before a worker was caught; make it larger"
        )
        return False

    wait_until(try_each, "a worker in the middle of a batch")
    return caught[0]


def test_a_report_accepted_without_redis_is_found_by_the_scheduler(
    services: Services, tmp_path: Path
) -> None:
    """The queue is emptied after the trigger: Postgres still knows, and the scheduler publishes again."""
    import redis  # noqa: PLC0415 - this test alone plays with the queue

    with services.client() as client:
        accepted = client.create_report()
        with redis.Redis.from_url(services.settings["UPTILL_REDIS_URL"]) as queue:
            assert queue.llen("dramatiq:reports") == STORES // BATCH_STORES
            queue.flushdb()
        services.worker()
        *_, ended = client.follow(accepted.id)
        assert ended.state == "succeeded"
        assert client.save(ended.files[0], tmp_path / "report.csv") == ended.files[0]["size_bytes"]
