"""A wake that is sent without waiting: it is in Redis before its answer is read, and a lost one is published again."""

from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest
import redis
from dramatiq.brokers.redis import RedisBroker

from shared.contracts import REPORT_QUEUE, SHORT_QUEUE, ComputeBatch, ShortBatch, home_queue
from shared.publisher import Publisher
from shared.queue import make_brief_client, make_broker, queue_depth
from shared.wake_line import WakeLine
from tests.fixtures.services import wait_until

REPORT = UUID(int=7)
WAKE = ComputeBatch(report_id=REPORT, batch_no=0, home=7)


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    broker = make_broker(redis_url, make_brief_client(redis_url))
    yield broker
    broker.close()


def test_a_wake_is_in_redis_before_its_answer_is_read(broker: RedisBroker) -> None:
    with closing(WakeLine(broker)) as line:
        line.open()
        assert line.send(WAKE)
        wait_until(lambda: queue_depth(broker) == 1, "the message")
        assert broker.client.llen(f"{broker.namespace}:{home_queue(7)}") == 1
        line.confirm()
        assert line.send(ShortBatch(report_id=REPORT, batch_no=1))
        line.confirm()
    assert broker.client.llen(f"{broker.namespace}:{SHORT_QUEUE}") == 1
    assert broker.client.hlen(f"{broker.namespace}:{REPORT_QUEUE}.msgs") == 2


def test_nothing_is_sent_on_a_line_that_is_not_open(broker: RedisBroker) -> None:
    assert not WakeLine(broker).send(WAKE)


def test_a_refused_wake_is_not_confirmed(broker: RedisBroker) -> None:
    """The queue is no list, so the transaction has an error in its answer."""
    broker.client.set(f"{broker.namespace}:{REPORT_QUEUE}", "text")
    with closing(WakeLine(broker)) as line:
        line.open()
        assert line.send(WAKE)
        with pytest.raises(redis.RedisError):
            line.confirm()
        assert not line.send(WAKE)


def test_a_wake_on_a_connection_that_redis_has_closed_is_published_again(
    broker: RedisBroker, redis_url: str
) -> None:
    publisher = Publisher(redis_url)
    publisher.start()
    publisher.offer([WAKE])
    wait_until(lambda: queue_depth(broker) == 1, "the first wake")
    for client in broker.client.client_list():
        if client["db"] == str(broker.client.connection_pool.connection_kwargs["db"]):
            broker.client.client_kill_filter(_id=client["id"])
    publisher.offer([WAKE])
    wait_until(lambda: queue_depth(broker) == 2, "the wake after the connection's end")
    publisher.close(10.0)
