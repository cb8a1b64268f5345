"""Fire every due schedule and wake the workers for the accepted reports."""

import asyncio

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.schedules.fire import FiredRun, fire_one
from shared import failpoints
from shared.db.connect import borrowed, connect_async
from shared.db.queries import queries
from shared.limits import KeyLimits
from shared.metrics.registry import SCHEDULES_FIRED
from shared.queue import publish_or_leave
from shared.reports.acceptance import BatchTerms
from shared.settings import Settings

_SQL = queries("schedules")
# A sweep has other duties.
_MOST_AT_ONCE = 100
_log = structlog.get_logger()


def fire_due(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Accept the report of every due schedule and wake the workers; return how many schedules fired.

    If Redis does not take a message, later sweeps publish it: the batches are due.
    """
    with borrowed(pool) as conn:
        if conn.execute(_SQL["anything_due"]).fetchone() != (True,):
            return 0
    fired = asyncio.run(_fire_all(settings))
    failpoints.hit("schedule.after_commit")
    for run in fired:
        SCHEDULES_FIRED.labels(
            "failed" if run.has_failed else "accepted" if run.error is None else "refused"
        ).inc()
        log = _log.bind(schedule=str(run.schedule_id), due_at=run.due_at.isoformat())
        if run.error is None:
            log.info("schedule_fired", report_id=str(run.report_id))
        elif run.has_failed:
            log.error("schedule_failed", error=run.error)
        else:
            log.warning("schedule_refused", error=run.error)
    publish_or_leave(broker, [wake for run in fired for wake in run.wakes])
    return len(fired)


async def _fire_all(settings: Settings) -> list[FiredRun]:
    terms = BatchTerms(settings.batch_stores, settings.republish_s, limits=KeyLimits.of(settings))
    fired: list[FiredRun] = []
    async with connect_async(
        settings.database_url.get_secret_value(), application_name="uptill-scheduler schedules"
    ) as conn:
        while len(fired) < _MOST_AT_ONCE and (run := await fire_one(conn, terms)) is not None:
            fired.append(run)
    return fired
