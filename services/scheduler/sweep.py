"""The steps of a sweep: end expired leases, fail poison batches, publish again what no worker has claimed in time."""

from collections.abc import Callable, Mapping

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from shared import failpoints
from shared.contracts import Wake
from shared.db.connect import borrowed
from shared.metrics.registry import LEASES_EXPIRED, REPORTS_BURIED, REPUBLISHED
from shared.queue import publish, queue_depth
from shared.reports.due import (
    bury_poison,
    count_pending,
    due_finalisations,
    expire_leases,
    take_due,
    take_due_finalisations,
)
from shared.reports.presence import forget_missed_claims
from shared.settings import Settings

_log = structlog.get_logger()


def sweep(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Run every step of a sweep and return the number of messages published. The scheduler runs each step apart."""
    return [step(pool, broker, settings) for step in SWEEP_STEPS.values()][-1]


def end_expired_leases(pool: ConnectionPool, _broker: RedisBroker, _settings: Settings) -> int:
    """End expired leases and return how many."""
    with borrowed(pool) as conn:
        if expired := expire_leases(conn):
            LEASES_EXPIRED.inc(expired)
            _log.warning("leases_expired", batches=expired)
    return expired


def fail_poison(pool: ConnectionPool, _broker: RedisBroker, settings: Settings) -> int:
    """Fail the reports whose batch or merge used up its claims; return how many."""
    with borrowed(pool) as conn:
        forget_missed_claims(conn)
        failed = bury_poison(conn, settings.max_attempts)
        for report_id in failed:
            REPORTS_BURIED.inc()
            _log.error("report_failed", report_id=str(report_id))
    return len(failed)


def publish_due(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Publish due batches and merges again and return the number of messages.

    Nothing is published again while Redis holds a message for each pending batch and merge: the workers are merely
    busy. Batches that are not due yet count as pending too, because their messages must not hide that messages of
    others were lost.
    """
    with borrowed(pool) as conn:
        pending = count_pending(conn) + len(due_finalisations(conn, settings.max_attempts))
    is_lacking = pending > queue_depth(broker)
    wakes: list[Wake] = []
    with borrowed(pool) as conn:
        finalisations = take_due_finalisations(
            conn, max_attempts=settings.max_attempts, republish_s=settings.republish_s, again=is_lacking
        )
        if is_lacking:
            wakes += take_due(conn, republish_s=settings.republish_s)
    messages = len(wakes) + len(finalisations)
    if messages:
        failpoints.hit("sweep.before_publish")
        # A report that only lacks its merge must not wait behind a backlog.
        publish(broker, finalisations, ahead=True)
        publish(broker, wakes)
        REPUBLISHED.inc(messages)
        _log.info("republished", messages=messages)
    return messages


# Each on its own: one that fails must not hold up the others.
SWEEP_STEPS: Mapping[str, Callable[[ConnectionPool, RedisBroker, Settings], int]] = {
    "leases": end_expired_leases,
    "poison": fail_poison,
    "publish": publish_due,
}
