"""What is told of a Redis that answers and takes no messages: its state, what to do, and the same to doctor and metrics."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr
from redis._parsers import BaseParser

from services.cli.checks import check_queue
from services.scheduler.metric_facts import FactCollector
from shared.errors import QueueUnavailable
from shared.queue import make_brief_client, make_broker
from shared.queue_state import STATES, QueueProbe, state_of
from shared.settings import Settings
from tests.fixtures.private_queue import PrivateQueue
from tests.fixtures.services import wait_until


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[PrivateQueue]:
    with PrivateQueue(tmp_path) as queue:
        queue.start()
        yield queue


def state(queue: PrivateQueue) -> str:
    with closing(QueueProbe(queue.url)) as probe:
        return probe.check_state().state


def test_each_state_of_a_real_server(queue: PrivateQueue) -> None:
    assert state(queue) == "ok"
    with redis.Redis.from_url(queue.url) as client:
        client.config_set("maxmemory", "1")
        assert state(queue) == "full"
        client.config_set("maxmemory", "0")
        client.config_set("min-replicas-to-write", "1")
        assert state(queue) == "refuses"
        client.config_set("min-replicas-to-write", "0")
        client.replicaof("127.0.0.1", "1")
        assert state(queue) == "read_only"
        client.replicaof("NO", "ONE")
    assert state(queue) == "ok"
    queue.freeze()
    assert state(queue) == "silent"
    queue.thaw()
    wait_until(lambda: state(queue) == "ok", "Redis to be well")
    queue.kill()
    assert state(queue) == "silent"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("LOADING Redis is loading the dataset in memory", "loading"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "cannot_save"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "full"),
        ("READONLY You can't write against a read only replica.", "read_only"),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "read_only"),
        ("NOAUTH Authentication required.", "refuses"),
        ("NOPERM this user has no permissions to run the 'set' command", "refuses"),
        ("ERR something else", "refuses"),
    ],
)
def test_each_answer_of_a_server_as_the_driver_reads_it(answer: str, told: str) -> None:
    error = BaseParser.parse_error(answer)  # type: ignore[no-untyped-call]
    assert isinstance(error, redis.RedisError)
    seen = state_of(error)
    assert seen.state == told
    assert not seen.takes_messages
    assert told in STATES


def test_doctor_and_metrics_tell_a_full_one(
    queue: PrivateQueue, settings: Settings, database_url: str
) -> None:
    given = settings.model_copy(update={"redis_url": SecretStr(queue.url)})
    assert check_queue(given)[1] == ""
    with redis.Redis.from_url(queue.url) as client:
        client.config_set("maxmemory", "1")
    told, to_do = check_queue(given)
    assert told == "Redis is full (maxmemory is reached)"
    assert to_do.startswith("raise maxmemory")
    facts = FactCollector(database_url, make_broker(queue.url, make_brief_client(queue.url)), queue.url, 3600)
    (family,) = [family for family in facts.collect() if family.name == "uptill_queue_state"]
    shown = {sample.labels["state"]: sample.value for sample in family.samples}
    assert shown == {known: float(known == "full") for known in STATES}


def test_doctor_gives_a_frozen_one_up_soon(queue: PrivateQueue, settings: Settings) -> None:
    queue.freeze()
    with pytest.raises(QueueUnavailable):
        check_queue(settings.model_copy(update={"redis_url": SecretStr(queue.url)}))
