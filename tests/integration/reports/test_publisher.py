"""Publishing beside the work, over a real Valkey that can be frozen: in order, bounded, and nobody waits."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
import redis

from shared import publisher as module
from shared.contracts import ComputeBatch
from shared.failpoints import FailpointError
from shared.metrics.registry import WAKES
from shared.publisher import Publisher
from tests.fixtures.private_queue import PrivateQueue
from tests.fixtures.services import wait_until

REPORT = UUID(int=7)
NEVER_S = 20.0  # ten times what it may take


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[PrivateQueue]:
    with PrivateQueue(tmp_path) as queue:
        queue.start()
        yield queue


def wakes(*numbers: int) -> list[ComputeBatch]:
    return [ComputeBatch(report_id=REPORT, batch_no=number) for number in numbers]


def published(queue: PrivateQueue) -> list[int]:
    """The batches in the queue, in the order of their messages."""
    with redis.Redis.from_url(queue.url) as client:
        # In this order: a message is stored before its id is in the list.
        order = client.lrange("dramatiq:reports", 0, -1)
        messages = client.hgetall("dramatiq:reports.msgs")
        return [json.loads(messages[name])["kwargs"]["batch_no"] for name in order]


def left() -> float:
    return float(WAKES.labels("left")._value.get())


def test_messages_leave_in_the_order_of_offers_and_the_last_before_it_closes(queue: PrivateQueue) -> None:
    publisher = Publisher(queue.url)
    publisher.start()
    for number in range(20):
        publisher.offer(wakes(2 * number, 2 * number + 1))
    publisher.close(30.0)
    assert published(queue) == list(range(40))


def test_nobody_waits_for_a_frozen_redis_and_it_is_left_alone(queue: PrivateQueue) -> None:
    publisher = Publisher(queue.url)
    publisher.start()
    queue.freeze()
    before, began_s = left(), time.monotonic()
    for number in range(200):
        publisher.offer(wakes(number))
    assert time.monotonic() - began_s < NEVER_S
    wait_until(lambda: left() >= before + 200, "everything to be left to the scheduler", within_s=NEVER_S)
    queue.thaw()

    def goes_through() -> bool:
        publisher.offer(wakes(999))
        return 999 in published(queue)

    wait_until(goes_through, "a probe to find Redis back")
    publisher.close(30.0)


def test_the_end_does_not_wait_for_a_frozen_redis(queue: PrivateQueue) -> None:
    publisher = Publisher(queue.url)
    publisher.start()
    queue.freeze()
    publisher.offer(wakes(1))
    began_s = time.monotonic()
    publisher.close(0.1)
    assert time.monotonic() - began_s < NEVER_S


def test_more_than_may_wait_is_left_to_the_scheduler(
    queue: PrivateQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    with closing(redis.Redis.from_url(queue.url)):
        publisher, before = Publisher(queue.url), left()
        publisher.offer(wakes(1, 2))
        publisher.offer(wakes(3, 4))  # does not fit
        publisher.offer(wakes(5))
        publisher.start()
        publisher.close(30.0)
    assert published(queue) == [1, 2, 5]
    assert left() == before + 2


def test_a_failure_ends_no_thread(queue: PrivateQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        monkeypatch.undo()
        raise FailpointError(name)

    monkeypatch.setattr("shared.failpoints.hit", fail)
    publisher = Publisher(queue.url)
    publisher.start()
    publisher.offer(wakes(1))
    publisher.offer(wakes(2))
    publisher.close(30.0)
    assert published(queue) == [1, 2]
