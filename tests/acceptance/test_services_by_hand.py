"""Every service on its own against servers started by hand: the bytes do not depend on who computed them, or how often."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from services.sample import write_sample
from tests.fixtures.services import Services, kill_group, wait_until
from tests.fixtures.warm_start import Process
from tests.oracle.report import expected_csv
from uptill_client import UptillClient

STORES, DAYS, BATCH_STORES = 400, 9, 20
_REPORTS = 30
_SESSIONS = "select from pg_stat_activity where application_name like 'uptill-worker %%/' || %s::text"
_NOT_DONE = (
    "select from report_batch where report_id = %s and batch_no = any(%s) and (state, attempt) <> ('done', 1)"
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sample")
    write_sample(directory, stores=STORES, days=DAYS)
    return directory


@pytest.fixture
def services(env: dict[str, str], sample: Path, tmp_path: Path) -> Iterator[Services]:
    """The API and a scheduler over a loaded database; workers are up to the test."""
    quick = {"UPTILL_LEASE_S": "4", "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}
    with Services({**env, **quick, "UPTILL_BATCH_STORES": str(BATCH_STORES)}, tmp_path) as services:
        ingested = services.run("ingest", str(sample))
        assert ingested.returncode == 0, ingested.stderr
        services.api()
        services.scheduler()
        yield services


def report(services: Services, directory: Path) -> bytes:
    """The bytes of one report, by the command."""
    path = directory / "report.csv"
    made = services.run("report", "--force", "-o", str(path))
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
        # A worker that was busy with other things when the batches came has none of that report.
        for _ in range(_REPORTS):
            by_two = report(services, tmp_path)
            assert by_two == by_one
            if _most_workers(conn) == 2:
                break
        assert _most_workers(conn) == 2

        with services.client() as client:
            report_id = _kill_in_the_middle(services, conn, client, [first, second])
            *_, ended = client.follow(report_id)
            assert ended.state == "succeeded"
            client.save(ended.files[0], tmp_path / "after-kill.csv")
        assert (tmp_path / "after-kill.csv").read_bytes() == by_one
        attempts = conn.execute(
            "select max(attempt) from report_batch where report_id = %s", [report_id]
        ).fetchone()
        assert attempts is not None
        assert attempts[0] > 1, "the killed worker held a batch, and the other took it over"


def _most_workers(conn: psycopg.Connection) -> int:
    """How many workers computed batches of one report, at most."""
    ((most,),) = conn.execute(
        "select max(workers) from (select count(distinct worker) workers from report_batch group by report_id) report"
    )
    return int(most)


def _kill_in_the_middle(
    services: Services, conn: psycopg.Connection, client: UptillClient, workers: list[Process]
) -> str:
    """Trigger reports until a worker was killed with a batch in its hands. Return the id of that report."""
    for _ in range(_REPORTS):
        report_id = client.create_report(force=True).id
        while not client.get_report(report_id).is_final:
            for number, worker in enumerate(workers):
                kill_group(worker, signal.SIGSTOP)
                if not (held := _held_by(conn, report_id, worker)):
                    kill_group(worker, signal.SIGCONT)
                    continue
                kill_group(worker, signal.SIGKILL)
                wait_until(partial(_has_no_session, conn, worker.pid), "the end of its sessions")
                if conn.execute(_NOT_DONE, [report_id, held]).rowcount:
                    return report_id
                workers[number] = services.worker()  # that one had sent its last COMMIT
    raise AssertionError("no worker was killed in the middle of a batch")


def _has_no_session(conn: psycopg.Connection, pid: int) -> bool:
    return not conn.execute(_SESSIONS, [pid]).rowcount


def _held_by(conn: psycopg.Connection, report_id: str, worker: Process) -> list[int]:
    """The batches that a worker holds; its name ends in the process id."""
    rows = conn.execute(
        "select batch_no from report_batch where report_id = %s and state = 'leased' and worker like %s",
        [report_id, f"%/{worker.pid}"],
    )
    return [batch_no for (batch_no,) in rows]


def test_a_report_accepted_without_redis_is_found_by_the_scheduler(
    services: Services, tmp_path: Path
) -> None:
    """The queue is emptied after the trigger: Postgres still knows, and the scheduler publishes again."""
    import redis  # noqa: PLC0415 - this test alone plays with the queue

    with services.client() as client:
        accepted = client.create_report(force=True)
        with redis.Redis.from_url(services.settings["UPTILL_REDIS_URL"]) as queue:
            wait_until(
                lambda: queue.llen("dramatiq:reports") == STORES // BATCH_STORES, "every batch is published"
            )
            queue.flushdb()
        services.worker()
        *_, ended = client.follow(accepted.id)
        assert ended.state == "succeeded"
        assert client.save(ended.files[0], tmp_path / "report.csv") == ended.files[0].size_bytes
