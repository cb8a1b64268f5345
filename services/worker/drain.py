"""Stop a worker: take nothing new, finish what is in hand, give back the rest, all within the grace period."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

import dramatiq
import redis
import structlog

from services.worker.context import WorkerContext
from services.worker.queue_fallback import QueueFallback
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable
from shared.reports.claim import holds_leases, release_all

_log = structlog.get_logger()
_CHECK_EVERY_S = 0.05
_ACKNOWLEDGE_S = 2.0
# Idle threads end within their worker's timeout, which is shorter.
_IDLE_THREADS_S = 1.0
# For acknowledging, and for requeueing what was fetched and not begun.
_LEAVE_QUEUE_S = 5.0


def drain(
    workers: Sequence[dramatiq.Worker], fallback: QueueFallback, context: WorkerContext, grace_s: float
) -> None:
    """Return once this process holds no lease, at the latest shortly after `grace_s` seconds."""
    finish_work(workers, fallback, context, grace_s)
    has_left = _leave_queue(workers)
    give_back_leases(context, publish=has_left)


def finish_work(
    workers: Sequence[dramatiq.Worker], fallback: QueueFallback, context: WorkerContext, grace_s: float
) -> None:
    """Take nothing new and wait until this process holds no lease, or until `grace_s` seconds have passed.

    Postgres knows whether work is in hand. The threads do not: while Redis is away, a thread that has finished its
    batch cannot acknowledge the message and keeps trying.
    """
    deadline = time.monotonic() + grace_s
    fallback.stop()
    threads = list(chain.from_iterable(worker.workers for worker in workers))
    for thread in threads:
        thread.stop()
    # A thread that waits for a message takes one more if it comes now, such as that of a lease given back.
    give_up_at = time.monotonic() + _IDLE_THREADS_S
    for thread in threads:
        thread.join(max(0.0, give_up_at - time.monotonic()))
    try:
        while _holds_leases(context) and time.monotonic() < deadline:
            time.sleep(_CHECK_EVERY_S)
    except DatabaseUnavailable:
        # Without Postgres nothing in hand can be finished either.
        _log.warning("drained_blindly")


def give_back_leases(context: WorkerContext, *, publish: bool) -> None:
    """Release every lease of this process, and wake other workers for them if `publish`."""
    try:
        with borrowed(context.pool) as conn:
            released = release_all(conn, context.terms.worker)
    except DatabaseUnavailable:
        # The leases expire on their own.
        _log.warning("release_failed", worker=context.terms.worker)
        return
    if released:
        _log.warning("leases_given_back", leases=len(released))
        if publish:
            context.wake(released)


def _holds_leases(context: WorkerContext) -> bool:
    with borrowed(context.pool) as conn:
        return holds_leases(conn, context.terms.worker)


def _leave_queue(workers: Sequence[dramatiq.Worker]) -> bool:
    """Give Dramatiq's workers time to acknowledge and requeue. Return False if Redis does not let them."""

    def stop_workers() -> None:
        # If Redis is away, other workers get the messages once it is back.
        with suppress(redis.RedisError, dramatiq.BrokerError):
            for worker in workers:
                worker.stop(timeout=int(_ACKNOWLEDGE_S * 1000))

    leaving = threading.Thread(target=stop_workers, name="leave-queue", daemon=True)
    leaving.start()
    leaving.join(_LEAVE_QUEUE_S)
    return not leaving.is_alive()
