"""A short batch has a message in both queues, and is picked up once. No other work loses its message by that."""

from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker

from services.worker.actors import register_actors
from services.worker.context import WorkerContext
from shared import failpoints
from shared.contracts import ACTOR_NAMES, ComputeBatch, ShortBatch, Wake
from shared.queue import make_broker
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import worker_context
from tests.fixtures.reports import trigger
from tests.integration.reports.test_report_protocol import POLL


@pytest.fixture
def broker(redis_url: str, worker: WorkerContext) -> RedisBroker:
    broker = make_broker(redis_url)
    register_actors(broker, lambda: worker)
    return broker


def receive(broker: RedisBroker, wake: ComputeBatch) -> None:
    broker.get_actor(ACTOR_NAMES[type(wake)]).fn(**wake.model_dump(mode="json"))


def once(monkeypatch: pytest.MonkeyPatch, point: str, step: Callable[[], None]) -> None:
    """Run `step` when a failpoint is reached for the first time."""

    def hit(name: str) -> None:
        if name == point:
            monkeypatch.undo()
            step()

    monkeypatch.setattr(failpoints, "hit", hit)


def test_the_twin_of_a_message_in_work_claims_nothing(
    database_url: str, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it not skipped, it would claim the other report, whose own message then found nothing."""
    load_fleet(database_url, {"store": Store(polls=[(POLL, True)])})
    first, second = (trigger(database_url).report_id for _ in range(2))
    twin = ComputeBatch(report_id=first, batch_no=0)
    states: list[str] = []

    def receive_twin() -> None:
        receive(broker, twin)
        states.extend(_states(database_url, first, second))

    once(monkeypatch, "load.after", receive_twin)
    receive(broker, ShortBatch(report_id=first, batch_no=0))
    assert states == ["running", "queued"]
    assert _states(database_url, first, second) == ["succeeded", "queued"]
    receive(broker, twin)  # comes late, so it is like any other
    assert _states(database_url, first, second) == ["succeeded", "succeeded"]


def test_a_message_without_short_work_replaces_its_twin(
    settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else may wait for a message: the one that would have been its own woke somebody for the short batch."""
    sent: list[Wake] = []
    with worker_context(settings, sent.extend) as worker:
        broker = make_broker(redis_url)
        register_actors(broker, lambda: worker)
        wake = ComputeBatch(report_id=UUID(int=7), batch_no=0)
        once(monkeypatch, "claim.after_commit", lambda: receive(broker, wake))
        receive(broker, ShortBatch(report_id=wake.report_id, batch_no=0))
        assert sent == [wake]
        receive(broker, ShortBatch(report_id=wake.report_id, batch_no=0))
    assert sent == [wake]


def _states(database_url: str, *report_ids: UUID) -> list[str]:
    with psycopg.connect(database_url) as conn:
        found: dict[UUID, str] = dict(
            conn.execute("select id, state from report where id = any(%s)", [list(report_ids)]).fetchall()
        )
    return [found[report_id] for report_id in report_ids]
