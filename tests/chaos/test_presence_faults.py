"""Workers that only seem to be gone: their work is done once, and no claim counts against it."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from tests.fixtures.failpoints import armed
from tests.fixtures.proxy import PostgresProxy
from tests.fixtures.services import Services, kill_group, wait_until
from tests.fixtures.small_report import BATCH_STORES, SmallFleet, await_success

_EVERY_S = 0.02
_SETTLED = "select pg_postmaster_start_time() < clock_timestamp() - interval '10 seconds'"
_KILL = (
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
    " and application_name ^@ %s"
)
_COUNTS = (
    "select (select count(*) from report_batch where state <> 'done' or burnt <> 1),"
    " (select count(*) from report where state <> 'succeeded' or finalise_burnt <> 1),"
    " (select count(*) from report_file), (select count(*) from missed_claim)"
)
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def services(env: Mapping[str, str], small_fleet: SmallFleet, tmp_path: Path) -> Iterator[Services]:
    """A scheduler and an API, and a server that has run for long enough."""
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    with Services({**env, "UPTILL_BATCH_STORES": str(BATCH_STORES)}, tmp_path) as services:
        services.scheduler()
        services.api()
        with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
            wait_until(lambda: conn.execute(_SETTLED).fetchone() == (True,), "a server that has settled")
        yield services


def test_a_worker_that_is_cut_off_for_a_while(
    services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    """It is taken for dead, its batch is computed by another, and it learns so when it is connected again."""
    with PostgresProxy(services.settings["UPTILL_DATABASE_URL"]) as proxy:
        services.worker(UPTILL_DATABASE_URL=proxy.url, **armed("compute.after", "sleep:4"))
        with services.client() as client:
            report_id = client.create_report(force=True).id
        wait_until(lambda: services.logged('"failpoint_hit"'), "a batch in its hands")
        proxy.go_away()
        wait_until(lambda: services.logged('"leases_taken_back"'), "the scheduler to take it back")
        services.worker()
        proxy.come_back()
        await_success(services, report_id, small_fleet.expected, tmp_path)
        await_counts(services, reports=1)


def test_presence_sessions_that_are_ended_every_20_ms(
    services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    """Reports are made all the same, as leases need no presence."""
    with services.client() as client:
        report_ids = [client.create_report(force=True).id for _ in range(3)]
    with ending_sessions(services, "uptill-presence") as ended:
        for _ in range(2):
            services.start("services.worker", **armed("compute.after", "sleep:3"))
        for report_id in report_ids:
            await_success(services, report_id, small_fleet.expected, tmp_path)
        assert ended[0] >= 5
        await_counts(services, reports=3)


@pytest.mark.chaos
def test_all_sessions_that_are_ended_every_20_ms(
    services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    with services.client() as client:
        report_ids = [client.create_report(force=True).id for _ in range(3)]
    for _ in range(2):
        services.worker(**armed("compute.after", "sleep:1"))
    with ending_sessions(services, "uptill-") as ended:
        wait_until(lambda: ended[0] >= 200, "sessions to be ended")
    for report_id in report_ids:
        await_success(services, report_id, small_fleet.expected, tmp_path)
    await_counts(services, reports=3)


@pytest.mark.chaos
def test_workers_that_are_frozen_past_their_leases(
    services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    quick = {"UPTILL_LEASE_S": "3"}
    frozen = [services.worker(**quick, **armed("upload.after", "sleep:1")) for _ in range(2)]
    with services.client() as client:
        report_ids = [client.create_report(force=True).id for _ in range(3)]
    wait_until(lambda: services.logged('"failpoint_hit"'), "a batch in their hands")
    for worker in frozen:
        kill_group(worker, signal.SIGSTOP)
    services.worker(**quick)
    for report_id in report_ids:
        await_success(services, report_id, small_fleet.expected, tmp_path)
    assert services.logged('"leases_expired"')
    assert not services.logged('"leases_taken_back"'), "their sessions were open"
    for worker in frozen:
        kill_group(worker, signal.SIGCONT)
    await_counts(services, reports=3)


@pytest.mark.chaos
def test_without_presence_the_lease_decides(
    services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    """A pooler would keep the session of a killed worker. Default settings; await_success is patient for longer."""
    with PostgresProxy(services.settings["UPTILL_DATABASE_URL"], is_pooler=True) as pooler:
        victim = services.worker(UPTILL_DATABASE_URL=pooler.url, **armed("compute.after", "sleep:600"))
        with services.client() as client:
            report_id = client.create_report(force=True).id
        wait_until(lambda: services.logged('"failpoint_hit"'), "a batch in its hands")
        kill_group(victim, signal.SIGKILL)
        services.worker(UPTILL_DATABASE_URL=pooler.url)
        wait_until(lambda: services.logged('"leases_expired"'), "the end of the lease", within_s=30)
        await_success(services, report_id, small_fleet.expected, tmp_path)
    assert services.logged('"presence_off"')
    assert not services.logged('"leases_taken_back"')


@pytest.mark.chaos
def test_a_network_that_is_cut_again_and_again(
    services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    with PostgresProxy(services.settings["UPTILL_DATABASE_URL"]) as proxy:
        for _ in range(2):
            services.worker(UPTILL_DATABASE_URL=proxy.url)
        report_ids = []
        for _ in range(10):
            with services.client() as client:
                report_ids += [client.create_report(force=True).id for _ in range(3)]
            proxy.go_away()
            Event().wait(1.5)  # long enough for two looks
            proxy.come_back()
            Event().wait(1.0)
        for report_id in report_ids:
            await_success(services, report_id, small_fleet.expected, tmp_path)
        await_counts(services, reports=len(report_ids))


def await_counts(services: Services, *, reports: int) -> None:
    """Every batch and every merge counts one claim, each report has one file, and nobody is missed any more."""
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        wait_until(
            lambda: conn.execute(_COUNTS).fetchone() == (0, 0, reports, 0), "every claim to be given back"
        )
    assert not services.logged('"report_failed"')


@contextmanager
def ending_sessions(services: Services, sessions: str) -> Iterator[list[int]]:
    """End every session whose name begins so, again and again; yields how many were ended so far."""
    ended, stopping = [0], Event()

    def run() -> None:
        with psycopg.connect(services.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
            while not stopping.wait(_EVERY_S):
                with suppress(psycopg.OperationalError):
                    ended[0] += len(conn.execute(_KILL, [sessions]).fetchall())

    thread = Thread(target=run)
    thread.start()
    try:
        yield ended
    finally:
        stopping.set()
        thread.join()
