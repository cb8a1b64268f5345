"""SIGTERM under load: nothing lost, leases released, readiness false first, connections ended properly, status 0."""

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from shared.failpoints import CONFIRMATION
from tests.fixtures.private_queue import PrivateQueue
from tests.fixtures.proxy import PostgresProxy
from tests.fixtures.services import Services, first_unready, kill_group, wait_until
from tests.fixtures.small_report import BATCH_STORES, SmallFleet, await_success
from tests.fixtures.warm_start import Process
from uptill_client import ApiError

GRACE_S = 30  # what compose and Kubernetes give
POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"
LOADING = (
    "select from pg_stat_activity where datname = current_database()"
    " and application_name = 'uptill-ingest import' and wait_event_type = 'Lock'"
)
ROUNDS = {"ordinary": 4, "all": 50}


@pytest.fixture
def services(env: Mapping[str, str], small_fleet: SmallFleet, tmp_path: Path) -> Iterator[Services]:
    """Nothing started yet. A lease that is lost stays lost for the test: nothing is won by its running out."""
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    settings = {
        "UPTILL_LEASE_S": "600",
        "UPTILL_SWEEP_S": "0.2",
        "UPTILL_REPUBLISH_S": "1",
        "UPTILL_BATCH_STORES": str(BATCH_STORES),
        "UPTILL_SPOOL_DIR": str(tmp_path / "spool"),
    }
    with Services({**env, **settings}, tmp_path) as services:
        yield services


def stop_twice(process: Process, number: signal.Signals = signal.SIGTERM) -> int:
    """As a terminal and a supervisor do together: to the group, and to the process. Returns the exit status."""
    kill_group(process, number)
    process.send_signal(number)
    return process.wait(GRACE_S)


class Load(threading.Thread):
    """Triggers reports one after the other; a call that was not answered is made again."""

    def __init__(self, services: Services) -> None:
        super().__init__(daemon=True)
        self._services = services
        self.accepted: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        with self._services.client() as client:
            while not self.done.wait(0.1):
                try:
                    self.accepted.append(client.create_report(force=True).id)
                    client.get_report(self.accepted[-1], wait_s=10)
                except ApiError as error:
                    assert error.status in {None, 503}  # noqa: PT017 - in a thread: shown as an unhandled exception

    def await_more(self, reports: int) -> None:
        goal = len(self.accepted) + reports
        wait_until(lambda: len(self.accepted) >= goal, "reports that are accepted")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("rounds", [ROUNDS["ordinary"], pytest.param(ROUNDS["all"], marks=pytest.mark.chaos)])
def test_stops_under_load_lose_nothing(
    rounds: int, services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    """Each service in turn is asked to stop, twice at once, while the others work; then started again."""
    port = urlsplit(services.settings["UPTILL_API_URL"]).port

    def ingest() -> Process:
        return services.start("services.ingest.http", "--port=0", UPTILL_REDIS_URL="")

    starts: dict[str, Callable[[], Process]] = {
        "worker": services.worker,
        "api": services.api,
        "scheduler": services.scheduler,
        "ingest": ingest,
    }
    running = {name: start() for name, start in starts.items()}
    services.worker()
    assert port is not None
    loads = [Load(services), Load(services)]
    for load in loads:
        load.start()
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        for name in itertools.islice(itertools.cycle(starts), rounds):
            loads[0].await_more(2)
            stopped = running[name]
            assert stop_twice(stopped) == 0, f"the {name} did not end well"
            held = conn.execute(
                "select count(*) from report_batch where state = 'leased' and worker like %s",
                [f"%/{stopped.pid}"],
            ).fetchone()
            assert held == (0,)
            running[name] = starts[name]()
        for load in loads:
            load.done.set()
        for load in loads:
            load.join()
        for report_id in [*loads[0].accepted, *loads[1].accepted]:
            await_success(services, report_id, small_fleet.expected, tmp_path)
        # What was in hand was finished or never begun: no attempt was lost.
        assert conn.execute("select max(attempt) from report_batch").fetchone() == (1,)
        known = conn.execute("select count(*) from report").fetchone()
    assert known is not None
    assert known[0] >= sum(len(load.accepted) for load in loads) > rounds


@pytest.mark.parametrize("name", ["worker", "api", "scheduler", "ingest"])
def test_signals_that_never_cease_change_nothing(name: str, services: Services) -> None:
    """The last one finds a process that is almost gone, whose handlers Python has taken away."""
    start: Callable[[], Process] = {
        "worker": services.worker,
        "api": services.api,
        "scheduler": services.scheduler,
        "ingest": lambda: services.serve("services.ingest.http", UPTILL_REDIS_URL=""),
    }[name]
    process = start()
    until_s = time.monotonic() + GRACE_S
    while process.poll() is None and time.monotonic() < until_s:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    assert process.poll() == 0


def test_what_cannot_be_finished_in_time_is_given_back(
    services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    services.api()
    services.scheduler()
    stuck = services.worker(
        UPTILL_FAILPOINTS="load.after=sleep:120",
        UPTILL_FAILPOINTS_CONFIRM=CONFIRMATION,
        UPTILL_STOP_GRACE_S="0.5",
    )
    with services.client() as client:
        report_id = client.create_report(force=True).id
    wait_until(lambda: services.logged('"failpoint_hit"'), "the worker to be stuck in a batch")
    assert stop_twice(stuck) == 0
    assert services.logged('"leases_given_back"')
    services.worker()
    await_success(services, report_id, small_fleet.expected, tmp_path)
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        attempts = conn.execute("select sum(attempt), max(burnt) from report_batch").fetchone()
    assert attempts == (4, 1), "one batch was claimed twice, and the first claim does not count against it"


def test_a_worker_stops_while_redis_is_away(
    services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    """Its threads hang in acknowledgements that cannot succeed; nothing of that is worth waiting for."""
    with PrivateQueue(tmp_path) as queue:
        queue.start()
        services.settings["UPTILL_REDIS_URL"] = queue.url
        services.api()
        worker = services.worker(UPTILL_LOOK_S="0.1")
        with services.client() as client:
            report_id = client.create_report(force=True).id
            queue.kill()
            await_success(services, report_id, small_fleet.expected, tmp_path)
        assert stop_twice(worker) == 0


@pytest.mark.parametrize("name", ["worker", "scheduler", "ingest"])
def test_a_stop_ends_within_its_grace_while_postgres_is_frozen(
    name: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    """The server's kernel still answers, so neither the statement timeout nor TCP ends what waits for it."""
    with PostgresProxy(env["UPTILL_DATABASE_URL"]) as proxy, Services(dict(env), tmp_path) as services:
        settings = {
            "UPTILL_DATABASE_URL": proxy.url,
            "UPTILL_STOP_GRACE_S": "5",
            "UPTILL_SPOOL_DIR": str(tmp_path / "spool"),
        }
        starts: Mapping[str, Callable[..., Process]] = {
            "worker": services.worker,
            "scheduler": services.scheduler,
            "ingest": partial(services.serve, "services.ingest.http", UPTILL_REDIS_URL=""),
        }
        process = starts[name](**settings)
        with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
            if name == "ingest":
                conn.execute("select pg_advisory_lock(hashtextextended('uptill.ingest', 0))")
                key = {"X-API-Key": env["UPTILL_API_KEY"]}
                httpx2.post(f"{env['UPTILL_API_URL']}/v1/imports", content=POLLS, headers=key)
                wait_until(lambda: conn.execute(LOADING).rowcount, "the import to wait for its turn")
            proxy.stall_at = 0  # also for new connections
            assert proxy.stalled.wait(60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(GRACE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_api_says_so_first_and_then_ends_its_connections(
    number: signal.Signals, services: Services
) -> None:
    """A long poll gets the report as it is, a stream its end; neither is cut off."""
    api = services.api()
    url = services.settings["UPTILL_API_URL"]
    with services.client() as client:
        report_id = client.create_report(force=True).id
    headers = {"Authorization": f"Bearer {services.settings['UPTILL_API_KEY']}"}
    answers: dict[str, httpx2.Response] = {}
    opened = threading.Barrier(3)

    def long_poll() -> None:
        opened.wait()
        answers["poll"] = httpx2.get(f"{url}/v1/reports/{report_id}?wait=30", headers=headers, timeout=60)

    def follow() -> None:
        with httpx2.stream(
            "GET", f"{url}/v1/reports/{report_id}/events", headers=headers, timeout=60
        ) as stream:
            opened.wait()
            stream.read()  # raises when the stream breaks off instead of ending
            answers["stream"] = stream

    threads = [threading.Thread(target=work) for work in (long_poll, follow)]
    for thread in threads:
        thread.start()
    opened.wait()
    wait_until(lambda: httpx2.get(f"{url}/readyz", timeout=30).status_code == 200, "the API")
    kill_group(api, number)
    assert first_unready(url) == httpx2.codes.SERVICE_UNAVAILABLE, "it said so before it closed"
    kill_group(api, number)
    assert api.wait(GRACE_S) == 0
    for thread in threads:
        thread.join()
    assert (answers["poll"].status_code, answers["poll"].json()["state"]) == (200, "queued")
    assert "event: queued" in answers["stream"].text


def test_a_janitor_at_work_stops_too(services: Services) -> None:
    scheduler = services.start("services.scheduler", UPTILL_JANITOR_S="0.001")
    wait_until(lambda: services.logged('"bucket_swept"'), "the janitor")
    assert stop_twice(scheduler, signal.SIGINT) == 0
