"""A Dramatiq broker whose idle consumers wait inside Redis, instead of asking it again and again (docs/decisions/0031)."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from dramatiq.message import Message

from shared.contracts import REPORT_QUEUE, home_queue

# After each wait the consumer fetches once, which is also its heartbeat. Dramatiq gives up on it after 15 s.
_WAIT_S = 8
# A server that has not answered this long after the wait has ended does not answer any more.
_LATE_S = 5.0


def _no_home() -> None:
    return None


class BlockingBroker(RedisBroker):
    """Dramatiq's Redis broker. Its consumers get messages as soon as they are in the queue.

    `home` returns the number of this worker, whose own messages come first. None: it has none now.
    """

    home: Callable[[], int | None] = staticmethod(_no_home)

    @property
    def consumer_class(self) -> type["_BlockingConsumer"]:
        """What `consume` returns."""
        return _BlockingConsumer


def set_home(broker: RedisBroker, home: Callable[[], int | None]) -> None:
    """Let the broker's consumers take the messages to this worker first. Another kind of broker has none."""
    if isinstance(broker, BlockingBroker):
        broker.home = home


class _BlockingConsumer(Consumer):
    """Fetches by Dramatiq's consumer. While the queue is empty, Redis holds back its answer to a `BLMOVE`.

    The command moves the first message to where it was, so it only tells that there is one. Each step takes at most
    `timeout` ms, so that the thread notices that it should stop or pause.
    """

    def __init__(self, broker: BlockingBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        # Without a timeout of its own, it does not sleep when it finds nothing.
        self._fetching = _RedisConsumer(broker, queue_name, prefetch, 0)
        self._broker = broker
        self._has_home = queue_name == REPORT_QUEUE
        self._prefetch = prefetch
        # Ids of messages to this worker alone. Redis has forgotten them, so they are neither acknowledged nor put back.
        self._from_home: set[str] = set()
        self._step_s = timeout / 1000
        self._list = f"{broker.namespace}:{queue_name}"
        self._connection = broker.client.connection_pool.make_connection()
        self._waits_since: float | None = None
        # Whether the wait's command is followed by one that takes a message to this worker alone.
        self._asks_home = False
        self._acknowledged = threading.Event()

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None if there is none yet. Raise `ConnectionClosed` if Redis does not answer."""
        self._fetching.prefetch = self._prefetch - len(self._from_home)
        if len(self._fetching.queued_message_ids) >= self._fetching.prefetch:
            self._acknowledged.wait(self._step_s)
            self._acknowledged.clear()
            return None
        if self._waits_since is None:
            home = self._pop_home()
        elif self._has_waited(self._waits_since):
            home = self._read_home()
        else:
            return None
        message: MessageProxy | None = home or next(self._fetching)
        if message is None:
            self._begin_to_wait()
        return message

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message, so that the next one may be fetched."""
        if message.message_id in self._from_home:
            self._from_home.discard(message.message_id)
        else:
            self._fetching.ack(message)
        self._acknowledged.set()

    def nack(self, message: MessageProxy) -> None:
        """Move a message aside, so that the next one may be fetched."""
        if message.message_id in self._from_home:
            self._from_home.discard(message.message_id)
        else:
            self._fetching.nack(message)
        self._acknowledged.set()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Put messages back that were fetched and not begun."""
        self._fetching.requeue([each for each in messages if each.message_id not in self._from_home])

    def close(self) -> None:
        """Close the connection, so that Redis forgets the wait, and put back what was fetched and not handed out."""
        self._connection.disconnect()
        held, self._fetching.message_cache = self._fetching.message_cache, []
        with suppress(redis.RedisError):
            self.requeue([MessageProxy(Message.decode(data)) for data in held if data])

    def _pop_home(self) -> MessageProxy | None:
        """Return the next message to this worker alone. One to all workers follows each, and ends the wait in Redis."""
        if (own_list := self._own_list()) is None:
            return None
        try:
            return self._from_own_list(self._broker.client.lpop(own_list))
        except redis.ConnectionError as error:
            raise ConnectionClosed(error) from None

    def _own_list(self) -> str | None:
        number = self._broker.home() if self._has_home else None
        return None if number is None else f"{self._broker.namespace}:{home_queue(number)}"

    def _from_own_list(self, data: object) -> MessageProxy | None:
        if not isinstance(data, bytes):
            return None
        message = MessageProxy(Message.decode(data))
        self._from_home.add(message.message_id)
        return message

    def _begin_to_wait(self) -> None:
        commands: list[tuple[str | int, ...]] = [("BLMOVE", self._list, self._list, "LEFT", "LEFT", _WAIT_S)]
        if own_list := self._own_list():
            # Redis runs it when the wait ends, so a message to this worker alone needs no round trip after that.
            commands.append(("LPOP", own_list))
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None
        self._asks_home = len(commands) > 1
        self._waits_since = time.monotonic()

    def _read_home(self) -> MessageProxy | None:
        """Return the message to this worker alone that came with the end of the wait, if there was one."""
        if not self._asks_home:
            return None
        try:
            return self._from_own_list(self._connection.read_response())
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None

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
