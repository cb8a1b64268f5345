"""One sweep: end expired leases, fail poison batches, and publish again what no worker has claimed in time."""

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
    """Run one sweep and return the number of messages published.

    Nothing is published again while Redis holds a message for each pending batch and merge: the workers are merely
    busy. Batches that are not due yet count as pending too, because their messages must not hide that messages of
    others were lost.
    """
    with borrowed(pool) as conn:
        if expired := expire_leases(conn):
            LEASES_EXPIRED.inc(expired)
            _log.warning("leases_expired", batches=expired)
    with borrowed(pool) as conn:
        forget_missed_claims(conn)
        for report_id in bury_poison(conn, settings.max_attempts):
            REPORTS_BURIED.inc()
            _log.error("report_failed", report_id=str(report_id))
    return _publish_due(pool, broker, settings)


def _publish_due(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
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
