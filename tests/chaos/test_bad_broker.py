"""A broker that loses, repeats and shuffles: messages only wake, so the files and the claims stay what they are."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import sleep
from uuid import UUID

import dramatiq
import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker

from services.ingest.run import ingest_paths
from services.sample import write_sample
from services.scheduler.sweep import sweep
from services.worker.actors import register_actors
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared import queue
from shared.contracts import Wake
from shared.db.connect import make_pool
from shared.queue import make_broker, publish, publish_or_leave
from shared.reports.claim import LeaseTerms
from shared.settings import Settings
from shared.storage import Storage, make_storage
from tests.fixtures.buckets import content_of
from tests.fixtures.reports import trigger
from tests.fixtures.services import wait_until
from tests.oracle.report import expected_csv

STORES, BATCH_STORES, REPORTS = 40, 4, 5
REPUBLISH_S = 0.3
_LOST_SHARE = 0.3


class Mischief:
    """Keeps the messages of a wake from the queue; `deliver` lets what it held back go, in another order."""

    def __init__(self, broker: RedisBroker, seed: int) -> None:
        self._broker, self._make_messages = broker, queue._make_messages
        self._draw = random.Random(seed)
        self._held: list[dramatiq.Message[None]] = []
        self.lost = self.maybe_repeated = 0

    def __call__(self, wake: Wake) -> Iterator[dramatiq.Message[None]]:
        for message in self._make_messages(wake):
            if self._draw.random() < _LOST_SHARE:
                self.lost += 1
            else:
                self.maybe_repeated += 1
                self._held += [_copy(message) for _ in range(3)]
        return iter(())

    def deliver(self) -> None:
        held, self._held = self._held, []
        self._draw.shuffle(held)
        for message in held:
            self._broker.enqueue(message)


def _copy(message: dramatiq.Message[None]) -> dramatiq.Message[None]:
    return dramatiq.Message(
        message.queue_name, message.actor_name, message.args, message.kwargs, message.options
    )


@contextmanager
def working(broker: RedisBroker) -> Iterator[None]:
    """Two workers of two threads each."""
    workers = [dramatiq.Worker(broker, worker_threads=2, worker_timeout=20) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.chaos) for seed in range(2, 8))])
def test_nothing_changes(
    seed: int, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = env["UPTILL_DATABASE_URL"]
    sample = write_sample(tmp_path, stores=STORES, days=9)
    ingest_paths(url, [str(tmp_path)])
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    settings = Settings.model_validate({**values, "republish_s": REPUBLISH_S})
    storage = make_storage(settings)
    broker = make_broker(env["UPTILL_REDIS_URL"])
    mischief = Mischief(broker, seed)
    monkeypatch.setattr(queue, "_make_messages", mischief)
    with make_pool(url, application_name="test", max_size=8) as pool:
        terms = LeaseTerms("test", 600, 5)
        context = WorkerContext(pool, storage, terms, partial(publish_or_leave, broker), InputCache(1 << 27))
        register_actors(broker, lambda: context)
        reports = [trigger(url, batch_stores=BATCH_STORES, republish_s=REPUBLISH_S) for _ in range(REPORTS)]
        for accepted in reports:
            publish(broker, accepted.wakes)
        with working(broker):

            def all_ended() -> bool:
                sweep(pool, broker, settings)
                mischief.deliver()
                sleep(0.05)
                return states(url) == {"succeeded"}

            wait_until(all_ended, "the end of every report")
    broker.close()
    assert mischief.lost > REPORTS
    assert mischief.maybe_repeated > REPORTS
    wanted = expected_csv(*(file.path for file in sample.files))
    assert {content(url, storage, accepted.report_id) for accepted in reports} == {wanted}
    with psycopg.connect(url) as conn:
        claims = conn.execute(
            "select count(*), min(attempt), max(attempt), max(finalise_attempt)"
            " from report_batch join report on id = report_id"
        ).fetchone()
    assert claims == (REPORTS * STORES // BATCH_STORES, 1, 1, 1), "a message more is a claim that fails"


def states(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        return {state for (state,) in conn.execute("select distinct state from report")}


def content(url: str, storage: Storage, report_id: UUID) -> bytes:
    with psycopg.connect(url) as conn:
        row = conn.execute("select object from report_file where report_id = %s", [report_id]).fetchone()
    assert row is not None
    return content_of(storage, row[0])
