"""The Dramatiq broker on Redis, set up so that losing it loses time and nothing else, and publishing to it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from uuid import uuid4

import dramatiq
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import xq_name
from dramatiq.middleware import AgeLimit, Callbacks, Retries, ShutdownNotifications, TimeLimit
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from shared import failpoints
from shared.contracts import ACTOR_NAMES, REPORT_QUEUE, SHORT_QUEUE, ComputeBatch, ShortBatch, Wake
from shared.errors import ConfigurationError, QueueUnavailable
from shared.metrics.registry import WAKES

_log = structlog.get_logger()
_HEARTBEAT_TIMEOUT_MS = (
    15_000  # measured: a killed worker's messages come back after 15.2 s instead of 17 minutes
)
_MAINTENANCE_CHANCE = 1_000_000  # of a million: maintenance at every fetch; measured: no cost in throughput
_SOCKET_TIMEOUT_S = 5.0
_CONNECT_TIMEOUT_S = 2.0
PUBLISH_S = 0.5  # for a call of somebody who has other work than to wait for Redis


def make_broker(redis_url: str, client: redis.Redis | None = None) -> RedisBroker:
    """A broker without Dramatiq's retries, results and groups: those lose messages (docs/decisions/0001)."""
    broker = RedisBroker(
        client=client or make_client(redis_url),
        heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=_MAINTENANCE_CHANCE,
        middleware=[AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries(max_retries=0)],
    )
    broker.declare_queue(REPORT_QUEUE)
    broker.declare_queue(SHORT_QUEUE)
    return broker


def make_client(redis_url: str) -> redis.Redis:
    """Return a client that gives up on a silent server after seconds, not minutes."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
    )


def make_brief_client(redis_url: str) -> redis.Redis:
    """Return a client that gives up after `PUBLISH_S` seconds, for all who can do without Redis."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=PUBLISH_S,
        socket_connect_timeout=PUBLISH_S,
        # Once more at once, on another connection: the server closed this one while it was idle. Not after a timeout.
        retry=Retry(NoBackoff(), retries=1, supported_errors=(redis.ConnectionError,)),
    )


def publish(broker: RedisBroker, wakes: Sequence[Wake], *, ahead: bool = False) -> int:
    """Enqueue a message for each wake; returns how many. Raises `QueueUnavailable` at the first that Redis does not take.

    `ahead`: in front of all that waits in the queue.
    """
    enqueue = partial(_enqueue_ahead, broker) if ahead else broker.enqueue
    published = 0
    try:
        for wake in wakes:
            for message in _messages(wake):
                enqueue(message)
            published += 1
            failpoints.hit("publish.partial")
    except (redis.RedisError, dramatiq.BrokerError) as error:
        WAKES.labels("left").inc(len(wakes) - published)
        raise QueueUnavailable(f"Redis did not take a message ({published} published)") from error
    finally:
        WAKES.labels("published").inc(published)
    return published


def _enqueue_ahead(broker: RedisBroker, message: dramatiq.Message[None]) -> None:
    """What Dramatiq's `enqueue` does, at the end of the list that workers take from."""
    message_id = str(uuid4())
    queue = f"{broker.namespace}:{message.queue_name}"
    data = message.copy(options={"redis_message_id": message_id}).encode()
    with broker.client.pipeline(transaction=True) as both:
        both.hset(f"{queue}.msgs", message_id, data)
        both.lpush(queue, message_id)
        both.execute()


def _messages(wake: Wake) -> Iterator[dramatiq.Message[None]]:
    """Yield the messages of a wake. A short batch has two: either queue may be the faster one."""
    kwargs = wake.model_dump(mode="json")
    if isinstance(wake, ShortBatch):
        yield dramatiq.Message(SHORT_QUEUE, ACTOR_NAMES[ShortBatch], (), kwargs, {})
    actor = ACTOR_NAMES[ComputeBatch if isinstance(wake, ComputeBatch) else type(wake)]
    yield dramatiq.Message(REPORT_QUEUE, actor, (), kwargs, {})


def publish_or_leave(broker: RedisBroker, wakes: Sequence[Wake]) -> None:
    """Publish if Redis is there; what it does not take is left to the scheduler."""
    try:
        publish(broker, wakes)
    except QueueUnavailable as error:
        _log.warning("publish_failed", error=str(error))


def queue_depth(broker: RedisBroker) -> int:
    """Messages that wait for a worker. Raises `QueueUnavailable`."""
    try:
        return int(broker.client.llen(f"{broker.namespace}:{REPORT_QUEUE}"))
    except redis.RedisError as error:
        raise QueueUnavailable("Redis did not answer") from error


def dead_messages(broker: RedisBroker) -> int:
    """Messages that no actor could read; Dramatiq keeps them for a week. Raises `QueueUnavailable`."""
    try:
        return sum(
            int(broker.client.zcard(f"{broker.namespace}:{xq_name(queue)}"))
            for queue in (REPORT_QUEUE, SHORT_QUEUE)
        )
    except redis.RedisError as error:
        raise QueueUnavailable("Redis did not answer") from error


def check_queue(redis_url: str) -> None:
    """Raise `ConfigurationError` for a Redis that evicts or forgets, `QueueUnavailable` for one that does not answer.

    A managed Redis that hides CONFIG passes: its operator has to know.
    """
    with closing(make_brief_client(redis_url)) as client:
        try:
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
            append_only = client.config_get("appendonly").get("appendonly")
        except redis.ResponseError:
            return
        except redis.RedisError as error:
            raise QueueUnavailable("Redis did not answer") from error
    if policy not in (None, "noeviction"):
        raise ConfigurationError(
            f"Redis may evict messages (maxmemory-policy {policy}); set maxmemory-policy noeviction"
        )
    if append_only not in (None, "yes"):
        raise ConfigurationError("Redis keeps nothing over a restart (appendonly no); set appendonly yes")
