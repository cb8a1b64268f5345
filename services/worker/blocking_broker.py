"""A Dramatiq broker whose idle consumers wait inside Redis, instead of asking it again and again (docs/decisions/0031)."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from dramatiq.message import Message

from services.worker.waiting_fetch import WaitingFetch
from shared.contracts import REPORT_QUEUE, home_queue


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
    """Fetches by Dramatiq's script. While the queue is empty, Redis holds back its answer to a `BLMOVE`.

    The command moves the first message to where it was, so it only tells that there is one. The script is sent behind it:
    Redis runs it when the wait ends. Each step takes at most `timeout` ms, so that the thread notices that it should stop
    or pause.
    """

    def __init__(self, broker: BlockingBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        # It decodes, acknowledges and requeues. Its own fetch is never called.
        self._fetched = _RedisConsumer(broker, queue_name, prefetch, 0)
        self._fetch = WaitingFetch(broker, queue_name)
        self._broker = broker
        self._has_home = queue_name == REPORT_QUEUE
        self._prefetch = prefetch
        # Ids of messages to this worker alone. Redis has forgotten them, so they are neither acknowledged nor put back.
        self._from_home: set[str] = set()
        self._step_s = timeout / 1000
        self._acknowledged = threading.Event()

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None if there is none yet. Raise `ConnectionClosed` if Redis does not answer."""
        if self._fetched.message_cache:
            return self._next_fetched()
        free = self._prefetch - len(self._from_home) - len(self._fetched.queued_message_ids)
        if free <= 0:
            self._acknowledged.wait(self._step_s)
            self._acknowledged.clear()
            return None
        try:
            return self._wait(free)
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message, so that the next one may be fetched."""
        if message.message_id in self._from_home:
            self._from_home.discard(message.message_id)
        else:
            self._fetched.ack(message)
        self._acknowledged.set()

    def nack(self, message: MessageProxy) -> None:
        """Move a message aside, so that the next one may be fetched."""
        if message.message_id in self._from_home:
            self._from_home.discard(message.message_id)
        else:
            self._fetched.nack(message)
        self._acknowledged.set()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Put messages back that were fetched and not begun."""
        self._fetched.requeue([each for each in messages if each.message_id not in self._from_home])

    def close(self) -> None:
        """Close the connection, so that Redis forgets the wait, and put back what was fetched and not handed out."""
        held = self._fetched.message_cache + self._fetch.close()
        self._fetched.message_cache = []
        with suppress(redis.RedisError):
            self._put_back(held)

    def _wait(self, free: int) -> MessageProxy | None:
        """Go on waiting for up to `free` messages, and return the first if there is one."""
        if not self._fetch.is_waiting:
            own_list = self._own_list()
            # One to all workers follows each message to this worker alone, and ends the wait in Redis.
            if own_list and (home := self._from_own_list(self._broker.client.lpop(own_list))):
                return home
            self._fetch.send(free, own_list)
        if not self._fetch.has_answer(self._step_s):
            return None
        data, messages = self._fetch.read()
        home = self._from_own_list(data)
        kept = free - (home is not None)
        self._fetched.message_cache = messages[:kept]
        # No thread is left for it, and another worker may have one.
        self._put_back(messages[kept:])
        return home or self._next_fetched()

    def _next_fetched(self) -> MessageProxy | None:
        message: MessageProxy | None = next(self._fetched) if self._fetched.message_cache else None
        return message

    def _put_back(self, messages: Iterable[bytes]) -> None:
        self.requeue([MessageProxy(Message.decode(data)) for data in messages if data])

    def _own_list(self) -> str | None:
        number = self._broker.home() if self._has_home else None
        return None if number is None else f"{self._broker.namespace}:{home_queue(number)}"

    def _from_own_list(self, data: object) -> MessageProxy | None:
        if not isinstance(data, bytes):
            return None
        message = MessageProxy(Message.decode(data))
        self._from_home.add(message.message_id)
        return message
