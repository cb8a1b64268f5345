"""The Dramatiq broker on Redis and publishing to it. It is set up so that losing Redis costs time and nothing else."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
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
from shared.contracts import (
    ACTOR_NAMES,
    REPORT_QUEUE,
    SHORT_QUEUE,
    ComputeBatch,
    ShortBatch,
    Wake,
    home_queue,
)
from shared.errors import ConfigurationError, QueueUnavailable
from shared.metrics.registry import WAKES

# A command to Redis with its arguments.
Command = tuple[str | bytes | int, ...]
_log = structlog.get_logger()
# Measured: a killed worker's messages come back after 15.2 s instead of 17 minutes.
_HEARTBEAT_TIMEOUT_MS = 15_000
# In a million: maintenance at every fetch. Measured: it costs no throughput.
_MAINTENANCE_CHANCE = 1_000_000
_SOCKET_TIMEOUT_S = 5.0
# The first that knows BLMOVE, with which workers wait.
_OLDEST_REDIS = (6, 2)
_CONNECT_TIMEOUT_S = 2.0
# For a worker's first threads; afterwards it finds its batches by itself. Forgotten soon if the worker is gone.
_HOME_WAKES = 4
_HOME_EXPIRES_S = 60
# The time limit of a call for callers that must not wait for Redis.
PUBLISH_S = 0.5


def make_broker(
    redis_url: str, client: redis.Redis | None = None, kind: type[RedisBroker] = RedisBroker
) -> RedisBroker:
    """Return a broker without Dramatiq's retries, results and groups, which can lose messages (docs/decisions/0001)."""
    broker = kind(
        client=client or make_client(redis_url),
        heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=_MAINTENANCE_CHANCE,
        middleware=[AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries(max_retries=0)],
    )
    broker.declare_queue(REPORT_QUEUE)
    broker.declare_queue(SHORT_QUEUE)
    return broker


def make_client(redis_url: str) -> redis.Redis:
    """Return a client that gives up on a silent server after seconds instead of minutes."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
    )


def make_brief_client(redis_url: str) -> redis.Redis:
    """Return a client that gives up after `PUBLISH_S` seconds, for callers that can do without Redis."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=PUBLISH_S,
        socket_connect_timeout=PUBLISH_S,
        # Try once more on a new connection if the server closed an idle one. Do not retry after a timeout.
        retry=Retry(NoBackoff(), retries=1, supported_errors=(redis.ConnectionError,)),
    )


def publish(broker: RedisBroker, wakes: Sequence[Wake], *, ahead: bool = False) -> int:
    """Enqueue the messages of each wake and return how many wakes. Raises `QueueUnavailable` if Redis refuses one.

    With `ahead` they go in front of everything that waits.
    """
    published = 0
    woken: Counter[int | None] = Counter()
    try:
        for wake in wakes:
            home = wake.home if isinstance(wake, ComputeBatch) else None
            woken[home] += 1
            to_home = home is not None and woken[home] <= _HOME_WAKES
            with broker.client.pipeline(transaction=False) as pipeline:
                for command in wake_commands(broker, wake, to_home=to_home, ahead=ahead):
                    pipeline.execute_command(*command)
                pipeline.execute()
            published += 1
            failpoints.hit("publish.partial")
    except redis.RedisError as error:
        WAKES.labels("left").inc(len(wakes) - published)
        raise QueueUnavailable(f"Redis did not take a message ({published} published)") from error
    finally:
        WAKES.labels("published").inc(published)
    return published


def wake_commands(
    broker: RedisBroker, wake: Wake, *, to_home: bool = True, ahead: bool = False
) -> Iterator[Command]:
    """Yield the commands that enqueue a wake's messages. They do what Dramatiq's `enqueue` does, without a script.

    With `to_home` a message to the batch's home goes ahead of the one to all workers. If it is lost, that one still wakes
    somebody.
    """
    if to_home and isinstance(wake, ComputeBatch) and wake.home is not None:
        own_list = f"{broker.namespace}:{home_queue(wake.home)}"
        # Not the message to all workers: its id tells the two apart.
        (*_, message) = _make_messages(wake)
        yield "RPUSH", own_list, message.encode()
        yield "EXPIRE", own_list, _HOME_EXPIRES_S
    for message in _make_messages(wake):
        message_id, queue = str(uuid4()), f"{broker.namespace}:{message.queue_name}"
        data = message.copy(options={"redis_message_id": message_id}).encode()
        yield ("MULTI",)
        yield "HSET", f"{queue}.msgs", message_id, data
        yield "LPUSH" if ahead else "RPUSH", queue, message_id
        yield ("EXEC",)


def _make_messages(wake: Wake) -> Iterator[dramatiq.Message[None]]:
    """Yield the messages of a wake. A short batch has two, because either queue may be faster."""
    kwargs = wake.model_dump(mode="json")
    if isinstance(wake, ShortBatch):
        yield dramatiq.Message(SHORT_QUEUE, ACTOR_NAMES[ShortBatch], (), kwargs, {})
    actor = ACTOR_NAMES[ComputeBatch if isinstance(wake, ComputeBatch) else type(wake)]
    yield dramatiq.Message(REPORT_QUEUE, actor, (), kwargs, {})


def publish_or_leave(broker: RedisBroker, wakes: Sequence[Wake]) -> None:
    """Publish if Redis takes messages. Otherwise the scheduler publishes them later."""
    try:
        publish(broker, wakes)
    except QueueUnavailable as error:
        _log.warning("publish_failed", error=str(error))


def queue_depth(broker: RedisBroker) -> int:
    """Return how many messages wait for a worker. Raises `QueueUnavailable`."""
    try:
        return int(broker.client.llen(f"{broker.namespace}:{REPORT_QUEUE}"))
    except redis.RedisError as error:
        raise QueueUnavailable("Redis did not answer") from error


def dead_messages(broker: RedisBroker) -> int:
    """Return how many messages no actor could read. Dramatiq keeps them for a week. Raises `QueueUnavailable`."""
    try:
        return sum(
            int(broker.client.zcard(f"{broker.namespace}:{xq_name(queue)}"))
            for queue in (REPORT_QUEUE, SHORT_QUEUE)
        )
    except redis.RedisError as error:
        raise QueueUnavailable("Redis did not answer") from error


def check_queue(redis_url: str) -> None:
    """Raise `ConfigurationError` for a Redis that may lose messages, `QueueUnavailable` for one that does not answer.

    A managed Redis that hides CONFIG passes the check.
    """
    with closing(make_brief_client(redis_url)) as client:
        try:
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
            append_only = client.config_get("appendonly").get("appendonly")
            version = str(client.info("server").get("redis_version", ""))
        except redis.ResponseError:
            return
        except redis.RedisError as error:
            raise QueueUnavailable("Redis did not answer") from error
    if policy not in (None, "noeviction"):
        raise ConfigurationError(
            f"Redis may evict messages (maxmemory-policy {policy}); set maxmemory-policy noeviction"
        )
    require_version(version)
    if append_only not in (None, "yes"):
        raise ConfigurationError("Redis loses its data at a restart (appendonly no); set appendonly yes")


def require_version(version: str) -> None:
    """Raise `ConfigurationError` for a Redis without the command that workers wait with. An empty text passes."""
    if version and tuple(map(int, version.split(".")[:2])) < _OLDEST_REDIS:
        raise ConfigurationError(f"Redis {version} is too old; use Redis 6.2 or newer, or Valkey")
