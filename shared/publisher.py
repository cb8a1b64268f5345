"""Publish messages so that a caller's answer does not wait for Redis: a thread reads what Redis says.

The rows in Postgres are the outbox. If a message is dropped here, the scheduler publishes it once its batch is due.
"""

import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue
from typing import NamedTuple

import redis
import structlog

from shared import failpoints
from shared.breaker import Breaker
from shared.contracts import Wake
from shared.errors import QueueUnavailable
from shared.metrics.registry import WAKES
from shared.queue import make_brief_client, make_broker, publish
from shared.wake_line import WakeLine

# Messages. A report on a million stores has 250.
_MOST_WAITING = 20_000
_log = structlog.get_logger()


class _Offer(NamedTuple):
    wakes: Sequence[Wake]
    is_first_sent: bool


class Publisher:
    """`start` it after a fork, `offer` messages from any thread, then `close` it. Messages leave in order.

    If nothing waits, the caller's thread sends the first one itself: an idle worker has it before another thread runs.
    A call to Redis takes at most `PUBLISH_S` seconds. After three failed calls, messages are dropped, except for one
    offer per second that tries again.
    """

    def __init__(self, redis_url: str) -> None:
        self._broker = make_broker(redis_url, make_brief_client(redis_url))
        self._line = WakeLine(self._broker)
        self._offers: SimpleQueue[_Offer | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._given_up = False
        self._breaker = Breaker("Redis, to publish")
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Start the thread, which connects."""
        self._thread.start()

    def offer(self, wakes: Sequence[Wake]) -> None:
        """Queue messages to be published, and return at once. Drops them if too many wait."""
        if not wakes:
            return
        with self._lock:
            if self._waiting + len(wakes) > _MOST_WAITING:
                _count_left(wakes)
                return
            is_first_sent = not self._waiting and not self._breaker.is_open and self._line.send(wakes[0])
            self._waiting += len(wakes)
            self._offers.put(_Offer(wakes, is_first_sent))

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
        self._line.open()
        while (offer := self._offers.get()) is not None:
            self._process(offer)
            with self._lock:
                self._waiting -= len(offer.wakes)
        self._line.close()

    def _process(self, offer: _Offer) -> None:
        wakes = offer.wakes
        if offer.is_first_sent and self._is_confirmed():
            wakes = wakes[1:]
        if self._given_up or not self._breaker.admits():
            _count_left(wakes)
        else:
            self._try_publish(wakes)

    def _is_confirmed(self) -> bool:
        """Return whether Redis has the wake that was sent. Otherwise it is published again: it may wake twice."""
        try:
            self._line.confirm()
            WAKES.labels("published").inc()
            failpoints.hit("publish.partial")
        except redis.RedisError as error:
            _log.warning("wake_not_confirmed", error=str(error))
            return False
        except Exception:  # noqa: BLE001 - as in `_try_publish`
            _log.exception("publish_failed")
        return True

    def _try_publish(self, wakes: Sequence[Wake]) -> None:
        try:
            publish(self._broker, wakes)
            self._breaker.succeeded()
            self._line.open()
            failpoints.hit("publish.after")
        except QueueUnavailable as error:
            self._breaker.failed()
            _log.warning("publish_failed", error=str(error))
        except Exception:  # noqa: BLE001 - logged; the scheduler publishes these messages
            _log.exception("publish_failed")


def _count_left(wakes: Sequence[Wake]) -> None:
    WAKES.labels("left").inc(len(wakes))
