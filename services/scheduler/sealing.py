"""Accept the jobs that open the weeks that late polls wait for, and, once a day, those that seal old weeks."""

from datetime import UTC, datetime, timedelta

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from shared.db.connect import borrowed
from shared.queue import publish_or_leave
from shared.sealed.jobs import accept_due_sealing, accept_opening
from shared.settings import Settings

_log = structlog.get_logger()


def start_sealing(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Accept the jobs that are due and wake the workers; return how many. Later sweeps publish lost messages."""
    with borrowed(pool) as conn:
        accepted = {"weeks_wanted": accept_opening(conn, settings.republish_s)}
    if settings.seal_after_days:
        before = datetime.now(UTC) - timedelta(days=settings.seal_after_days)
        with borrowed(pool) as conn:
            accepted["sealing_due"] = accept_due_sealing(conn, before, settings.republish_s)
    jobs = {event: job for event, job in accepted.items() if job is not None}
    publish_or_leave(broker, [wake for job in jobs.values() for wake in job.wakes])
    for event, job in jobs.items():
        _log.info(event, job_id=str(job.report_id), weeks=len(job.wakes))
    return len(jobs)
