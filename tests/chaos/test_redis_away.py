"""Redis killed with SIGKILL: nothing is lost, reports are made without it, and everything comes back by itself."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx2
import psycopg
import pytest
import redis

from shared.failpoints import CONFIRMATION
from shared.queue_state import QueueProbe
from tests.fixtures.private_queue import PrivateQueue
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import BATCH_STORES, SmallFleet, await_success

BLIND = {"UPTILL_LOOK_S": "3600"}  # a worker that does not look in Postgres while the test lasts


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[PrivateQueue]:
    with PrivateQueue(tmp_path) as queue:
        yield queue


@pytest.fixture
def services(
    env: Mapping[str, str], queue: PrivateQueue, small_fleet: SmallFleet, tmp_path: Path
) -> Iterator[Services]:
    """The API and a scheduler; the queue is not running yet."""
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    settings = {
        "UPTILL_REDIS_URL": queue.url,
        "UPTILL_SWEEP_S": "0.2",
        "UPTILL_REPUBLISH_S": "1",
        "UPTILL_LOOK_S": "0.2",
        "UPTILL_BATCH_STORES": str(BATCH_STORES),
    }
    with Services({**env, **settings}, tmp_path) as services:
        services.api()
        services.scheduler()
        yield services


def trigger(services: Services) -> str:
    with services.client() as client:
        return client.create_report(force=True).id


def test_reports_are_made_while_redis_is_away(
    services: Services, queue: PrivateQueue, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    """From a start without it, through a time with it, to a kill in the middle of a report."""
    workers = [services.worker(), services.worker()]
    assert services.logged('"what": "queue"')
    ready = httpx2.get(f"{services.settings['UPTILL_API_URL']}/readyz", timeout=30)
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    await_success(services, trigger(services), small_fleet.expected, tmp_path)
    queue.start()
    await_success(services, trigger(services), small_fleet.expected, tmp_path)
    accepted = trigger(services)
    queue.kill()
    for report_id in (accepted, trigger(services), trigger(services)):
        await_success(services, report_id, small_fleet.expected, tmp_path)
    assert [worker.poll() for worker in workers] == [None, None]


def test_without_looking_reports_wait_until_redis_is_back(
    services: Services, queue: PrivateQueue, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    """The dead server is no trouble to anybody but the messages: the scheduler publishes again what they were for."""
    queue.start()
    worker = services.worker(**BLIND)
    await_success(services, trigger(services), small_fleet.expected, tmp_path)
    queue.kill()
    waiting = [trigger(services), trigger(services)]
    wait_until(lambda: services.logged("sweep_skipped"), "the scheduler to notice")
    with services.client() as client:
        assert [client.get_report(report_id).state for report_id in waiting] == ["queued", "queued"]
    queue.start()
    for report_id in waiting:
        await_success(services, report_id, small_fleet.expected, tmp_path)
    assert worker.poll() is None


def test_a_worker_finishes_what_it_claimed(services: Services, queue: PrivateQueue) -> None:
    queue.start()
    asleep = {"UPTILL_FAILPOINTS": "load.after=sleep:5", "UPTILL_FAILPOINTS_CONFIRM": CONFIRMATION}
    services.worker(**BLIND, **asleep)
    report_id = trigger(services)
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:

        def batches(state: str) -> set[int]:
            rows = conn.execute(
                "select batch_no from report_batch where report_id = %s and state = %s and attempt = 1",
                [report_id, state],
            )
            return {batch_no for (batch_no,) in rows}

        wait_until(lambda: services.logged('"failpoint_hit"'), "the worker to be in the middle of a batch")
        queue.kill()
        held = batches("leased")
        assert held
        wait_until(lambda: held <= batches("done"), "the batch to be done without Redis")


class TestStartUp:
    def test_an_unsafe_redis_is_refused(self, services: Services, queue: PrivateQueue) -> None:
        queue.start(policy="allkeys-lru")
        assert services.start("services.worker").wait(60) == 1
        assert services.logged("set maxmemory-policy noeviction")

    def test_one_that_turns_out_to_be_unsafe_ends_the_worker(
        self, services: Services, queue: PrivateQueue
    ) -> None:
        worker = services.worker()
        assert services.logged('"what": "queue"')
        queue.start(policy="allkeys-lru")
        assert worker.wait(60) == 1


def test_a_redis_that_takes_no_writes_counts_as_away(queue: PrivateQueue) -> None:
    queue.start()
    with closing(QueueProbe(queue.url)) as probe, redis.Redis.from_url(queue.url) as client:
        assert probe.takes_messages()
        client.config_set("maxmemory", "1")
        assert not probe.takes_messages()
        client.config_set("maxmemory", "0")
        assert probe.takes_messages()
    queue.kill()
    with closing(QueueProbe(queue.url)) as probe:
        assert not probe.takes_messages()
