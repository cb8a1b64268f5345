"""Stopping a worker: take nothing new, finish what is in hand, give back the rest, all within the grace period."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

import dramatiq
import redis
import structlog

from services.worker.context import WorkerContext
from services.worker.queue_fallback import Lookout
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable
from shared.reports.claim import holds_leases, release_all

_log = structlog.get_logger()
_LOOK_EVERY_S = 0.05
_ACKNOWLEDGE_S = 2.0
_LEAVE_QUEUE_S = 5.0  # acknowledging, and requeueing what was fetched and not begun


def drain(
    workers: Sequence[dramatiq.Worker], lookout: Lookout, context: WorkerContext, grace_s: float
) -> None:
    """Return when this process holds no lease any more; at the latest shortly after `grace_s` seconds.

    Whether work is in hand is asked of Postgres and not of the threads: while Redis is away, one that has finished
    its batch hangs in the acknowledgement until Redis comes back.
    """
    deadline = time.monotonic() + grace_s
    lookout.stop()
    for thread in chain.from_iterable(worker.workers for worker in workers):
        thread.stop()
    try:
        while _holds_leases(context) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
    except DatabaseUnavailable:
        _log.warning("drained_blindly")  # without Postgres nothing in hand can be finished either
    queue_is_there = _leave_queue(workers)
    try:
        with borrowed(context.pool) as conn:
            released = release_all(conn, context.terms.worker)
    except DatabaseUnavailable:
        _log.warning("release_failed", worker=context.terms.worker)  # the leases run out by themselves
        return
    if released:
        _log.warning("leases_given_back", leases=len(released))
        if queue_is_there:
            context.wake(released)


def _holds_leases(context: WorkerContext) -> bool:
    with borrowed(context.pool) as conn:
        return holds_leases(conn, context.terms.worker)


def _leave_queue(workers: Sequence[dramatiq.Worker]) -> bool:
    """Give Dramatiq's workers time to acknowledge and requeue; False when Redis does not let it."""

    def leave() -> None:
        with suppress(
            redis.RedisError, dramatiq.BrokerError
        ):  # other workers get the messages once Redis is back
            for worker in workers:
                worker.stop(timeout=int(_ACKNOWLEDGE_S * 1000))

    leaving = threading.Thread(target=leave, name="leave-queue", daemon=True)
    leaving.start()
    leaving.join(_LEAVE_QUEUE_S)
    return not leaving.is_alive()
