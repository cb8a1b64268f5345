"""A fetch that waits in Redis: when it runs, how it counts as a heartbeat, and where unread messages go."""

import time
from collections.abc import Iterator
from uuid import UUID

import dramatiq
import pytest
from dramatiq.broker import Consumer

from services.worker.blocking_broker import BlockingBroker, set_home
from services.worker.waiting_fetch import WaitingFetch
from shared.contracts import ACTOR_NAMES, REPORT_QUEUE, ComputeBatch
from shared.queue import make_broker, publish, queue_depth
from tests.fixtures.services import wait_until

REPORT = UUID(int=7)
STEP_MS = 30_000
LATER_S = 0.2


@pytest.fixture
def broker(redis_url: str) -> Iterator[BlockingBroker]:
    broker = make_broker(redis_url, kind=BlockingBroker)
    dramatiq.actor(broker=broker, queue_name=REPORT_QUEUE, actor_name=ACTOR_NAMES[ComputeBatch])(lambda: None)
    assert isinstance(broker, BlockingBroker)
    yield broker
    broker.close()


def wakes(*numbers: int, home: int | None = None) -> list[ComputeBatch]:
    return [ComputeBatch(report_id=REPORT, batch_no=number, home=home) for number in numbers]


def next_message(consumer: Consumer) -> int:
    """Return the batch of the next message: a wait that a message ends has no other result."""
    while (message := next(consumer)) is None:
        pass
    number: int = message.kwargs["batch_no"]
    return number


def test_the_heartbeat_has_the_time_at_which_the_fetch_ran(broker: BlockingBroker) -> None:
    """It was sent seconds before: with that time, other workers would take this one for dead."""
    fetch = WaitingFetch(broker, REPORT_QUEUE)
    fetch.send(1, None)
    sent_s = time.time()
    wait_until(lambda: time.time() > sent_s + LATER_S, "a while")
    publish(broker, wakes(0))
    assert fetch.has_answer(STEP_MS / 1000)
    _, messages = fetch.read()
    assert len(messages) == 1
    heartbeat_ms = broker.client.zscore(f"{broker.namespace}:__heartbeats__", broker.broker_id)
    assert heartbeat_ms is not None
    assert float(heartbeat_ms) >= 1000 * (sent_s + LATER_S) - 1
    assert fetch.close() == []


def test_what_redis_sent_to_a_consumer_that_closes_is_put_back(broker: BlockingBroker) -> None:
    consumer = broker.consume(REPORT_QUEUE, prefetch=2, timeout=1)
    assert next(consumer) is None  # it waits in Redis now
    publish(broker, wakes(0))
    wait_until(lambda: queue_depth(broker) == 0, "the fetch")
    consumer.close()
    assert queue_depth(broker) == 1


def test_messages_of_one_fetch_come_one_after_another(broker: BlockingBroker) -> None:
    publish(broker, wakes(0, 1, 2))
    consumer = broker.consume(REPORT_QUEUE, prefetch=2, timeout=STEP_MS)
    assert [next_message(consumer), next_message(consumer)] == [0, 1]
    assert queue_depth(broker) == 1
    consumer.close()


def test_a_message_too_many_is_left_to_other_workers(broker: BlockingBroker) -> None:
    """A message to this worker alone came with the end of the wait, and there is one thread."""
    set_home(broker, lambda: 7)
    consumer = broker.consume(REPORT_QUEUE, prefetch=1, timeout=1)
    assert next(consumer) is None
    publish(broker, wakes(0, home=7))
    assert next_message(consumer) == 0
    assert queue_depth(broker) == 1
    consumer.close()
