"""One sweep: end expired leases, fail poison batches, and publish again what no worker has claimed in time."""

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from shared import failpoints
from shared.contracts import Wake
from shared.db.connect import borrowed
from shared.metrics.registry import LEASES_EXPIRED, REPORTS_BURIED, REPUBLISHED
from shared.queue import publish, queue_depth
from shared.reports.due import bury_poison, count_pending, due_finalisations, expire_leases, take_due
from shared.reports.presence import forget_missed_claims
from shared.settings import Settings

_log = structlog.get_logger()


def sweep(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Run one sweep and return the number of messages published.

    Nothing is added while Redis holds a message for each pending batch: the workers are merely busy. Batches that are
    not due yet count as pending too, because their messages must not hide that messages of others were lost.
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
        pending = count_pending(conn)
    wakes: list[Wake] = []
    if pending > queue_depth(broker):
        with borrowed(pool) as conn:
            wakes += take_due(conn, republish_s=settings.republish_s)
    with borrowed(pool) as conn:
        finalisations = due_finalisations(conn, settings.max_attempts)
    messages = len(wakes) + len(finalisations)
    if messages:
        failpoints.hit("sweep.before_publish")
        # A report that only lacks its merge must not wait behind a backlog.
        publish(broker, finalisations, ahead=True)
        publish(broker, wakes)
        REPUBLISHED.inc(messages)
        _log.info("republished", messages=messages)
    return messages
