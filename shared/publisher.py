"""Publish messages in a background thread, so that a caller's answer does not wait for Redis.

The rows in Postgres are the outbox. If a message is dropped here, the scheduler publishes it once its batch is due.
"""

import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue

import structlog

from shared import failpoints
from shared.breaker import Breaker
from shared.contracts import Wake
from shared.errors import QueueUnavailable
from shared.metrics.registry import WAKES
from shared.queue import make_brief_client, make_broker, publish

# Messages. A report on a million stores has 250.
_MOST_WAITING = 20_000
_log = structlog.get_logger()


class Publisher:
    """`start` it after a fork, `offer` messages from any thread, then `close` it. Messages leave in order.

    A call to Redis takes at most `PUBLISH_S` seconds. After three failed calls, messages are dropped, except for one
    offer per second that tries again.
    """

    def __init__(self, redis_url: str) -> None:
        self._broker = make_broker(redis_url, make_brief_client(redis_url))
        self._offers: SimpleQueue[Sequence[Wake] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._given_up = False
        self._breaker = Breaker("Redis, to publish")
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Start the thread. It connects with the first message."""
        self._thread.start()

    def offer(self, wakes: Sequence[Wake]) -> None:
        """Queue messages to be published, and return at once. Drops them if too many wait."""
        if not wakes:
            return
        with self._lock:
            has_room = self._waiting + len(wakes) <= _MOST_WAITING
            self._waiting += len(wakes) if has_room else 0
        if has_room:
            self._offers.put(wakes)
        else:
            _count_left(wakes)

    def close(self, within_s: float) -> None:
        """Publish the waiting messages for at most `within_s` seconds, and drop the rest."""
        self._offers.put(None)
        deadline_s = time.monotonic() + within_s
        if self._thread.is_alive():
            self._thread.join(within_s)
        self._given_up = True
        if self._thread.is_alive():
            _log.warning("publisher_cut_off", waiting=self._waiting, within_s=within_s)
            self._thread.join(max(0.0, deadline_s + within_s - time.monotonic()))
        self._broker.close()

    def _run(self) -> None:
        while (wakes := self._offers.get()) is not None:
            if self._given_up or not self._breaker.admits():
                _count_left(wakes)
            else:
                self._try_publish(wakes)
            with self._lock:
                self._waiting -= len(wakes)

    def _try_publish(self, wakes: Sequence[Wake]) -> None:
        try:
            publish(self._broker, wakes)
            self._breaker.succeeded()
            failpoints.hit("publish.after")
        except QueueUnavailable as error:
            self._breaker.failed()
            _log.warning("publish_failed", error=str(error))
        except Exception:  # noqa: BLE001 - logged; the scheduler publishes these messages
            _log.exception("publish_failed")


def _count_left(wakes: Sequence[Wake]) -> None:
    WAKES.labels("left").inc(len(wakes))
