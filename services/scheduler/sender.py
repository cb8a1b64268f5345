"""Threads that send what is due: webhooks about reports, and messages to channels.

Several schedulers may run: whatever is sent is leased to one of them at a time.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import structlog

from shared.errors import InfrastructureError
from shared.metrics.registry import DUTIES_FAILED

_log = structlog.get_logger()
_POLL_EVERY_S = 0.5
_TIDY_EVERY_ROUNDS = 600
Lease = TypeVar("Lease", bound=Hashable)


class Outbox(Protocol[Lease]):
    """Rows of one kind that are sent: claimed under a lease, tried, and recorded."""

    def claim(self) -> Lease | None:
        """Claim what is due; None if nothing is."""

    def send(self, lease: Lease) -> None:
        """Make one attempt and record it."""

    def release(self, leases: Iterable[Lease]) -> None:
        """Make what was not finished due again at once."""

    def tidy(self) -> None:
        """Give up and delete what is old."""


class Sender:
    """Sends in threads between `start` and `stop`. A stop makes what is being sent due again at once.

    The first outbox has a thread of its own if there are two or more, so that slow receivers of the others cannot hold
    it up; the other threads serve each outbox in turn.
    """

    def __init__(self, outboxes: Sequence[Outbox[Any]], threads: int) -> None:
        self._outboxes = outboxes
        self._stopping = threading.Event()
        self._in_hand: dict[int, set[Any]] = defaultdict(set)
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"webhooks-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start sending."""
        for thread in self._threads:
            thread.start()

    def stop(self, grace_s: float) -> None:
        """Begin nothing new, wait up to `grace_s` seconds for answers, and give back the rest."""
        self._stopping.set()
        deadline = time.monotonic() + grace_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for number, outbox in enumerate(self._outboxes):
            held = list(self._in_hand[number])
            if held:
                with suppress(InfrastructureError):
                    outbox.release(held)

    def _run(self, thread: int) -> None:
        is_reserved = thread == 0 and len(self._threads) > 1
        served = list(enumerate(self._outboxes[:1] if is_reserved else self._outboxes))
        rounds = 0
        while not self._stopping.wait(_POLL_EVERY_S):
            # Each in turn, so that none waits until another has nothing left.
            while not self._stopping.is_set():
                if not sum(self._send_one(*each) for each in served):
                    break
            if thread == 0 and rounds % _TIDY_EVERY_ROUNDS == 0:
                for outbox in self._outboxes:
                    _try(outbox.tidy)
            rounds += 1

    def _send_one(self, number: int, outbox: Outbox[Any]) -> bool:
        """Claim and send one. Return False if none is due, or if it failed."""
        return _try(lambda: self._claim_and_send(number, outbox))

    def _claim_and_send(self, number: int, outbox: Outbox[Any]) -> bool:
        lease = outbox.claim()
        if lease is None:
            return False
        self._in_hand[number].add(lease)
        try:
            outbox.send(lease)
        finally:
            self._in_hand[number].discard(lease)
        return True


def _try(step: Callable[[], bool | None]) -> bool:
    """Run a step and return its result; False if it failed. The next round may succeed."""
    try:
        return bool(step())
    except InfrastructureError as error:
        _log.warning("deliveries_skipped", error=str(error))
    except Exception:  # noqa: BLE001 - it is logged and counted
        DUTIES_FAILED.labels("webhooks").inc()
        _log.exception("delivery_failed")
    return False
