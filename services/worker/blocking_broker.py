"""A Dramatiq broker whose idle consumers wait inside Redis, instead of asking it again and again (docs/decisions/0031)."""

import threading
import time
from collections.abc import Iterable

import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed

# After each wait the consumer fetches once, which is also its heartbeat. Dramatiq gives up on it after 15 s.
_WAIT_S = 4
# A server that has not answered this long after the wait has ended does not answer any more.
_LATE_S = 5.0


class BlockingBroker(RedisBroker):
    """Dramatiq's Redis broker. Its consumers get messages as soon as they are in the queue."""

    @property
    def consumer_class(self) -> type["_BlockingConsumer"]:
        """What `consume` returns."""
        return _BlockingConsumer


class _BlockingConsumer(Consumer):
    """Fetches by Dramatiq's consumer. While the queue is empty, Redis holds back its answer to a `BLMOVE`.

    The command moves the first message to where it was, so it only tells that there is one. Each step takes at most
    `timeout` ms, so that the thread notices that it should stop or pause.
    """

    def __init__(self, broker: RedisBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        # Without a timeout of its own, it does not sleep when it finds nothing.
        self._fetching = _RedisConsumer(broker, queue_name, prefetch, 0)
        self._step_s = timeout / 1000
        self._list = f"{broker.namespace}:{queue_name}"
        self._connection = broker.client.connection_pool.make_connection()
        self._waits_since: float | None = None
        self._acknowledged = threading.Event()

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None if there is none yet. Raise `ConnectionClosed` if Redis does not answer."""
        if len(self._fetching.queued_message_ids) >= self._fetching.prefetch:
            self._acknowledged.wait(self._step_s)
            self._acknowledged.clear()
            return None
        if self._waits_since is not None and not self._has_waited(self._waits_since):
            return None
        message: MessageProxy | None = next(self._fetching)
        if message is None:
            self._begin_to_wait()
        return message

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message, so that the next one may be fetched."""
        self._fetching.ack(message)
        self._acknowledged.set()

    def nack(self, message: MessageProxy) -> None:
        """Move a message aside, so that the next one may be fetched."""
        self._fetching.nack(message)
        self._acknowledged.set()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Put messages back that were fetched and not begun."""
        self._fetching.requeue(messages)

    def close(self) -> None:
        """Close the connection. Redis then forgets the wait."""
        self._connection.disconnect()

    def _begin_to_wait(self) -> None:
        try:
            self._connection.send_command("BLMOVE", self._list, self._list, "LEFT", "LEFT", _WAIT_S)
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None
        self._waits_since = time.monotonic()

    def _has_waited(self, since: float) -> bool:
        try:
            if self._connection.can_read(self._step_s):
                self._connection.read_response()
                self._waits_since = None
                return True
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None
        if time.monotonic() > since + _WAIT_S + _LATE_S:
            raise ConnectionClosed("Redis did not answer")
        return False
