"""The scheduler's part in scheduled reports: fires what is due, and delivers what has finished."""

import asyncio
from collections.abc import Callable

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.schedules.deliver import deliver_one
from services.scheduler.schedules.fire import Fired, fire_one
from shared import failpoints
from shared.db.connect import borrowed, connect_async
from shared.db.queries import queries
from shared.limits import KeyLimits
from shared.metrics.registry import OBJECTS_REFUSED, SCHEDULES_FIRED
from shared.queue import publish_or_leave
from shared.reports.trigger import BatchTerms
from shared.settings import Settings
from shared.storage import Storage

_SQL = queries("schedules")
_MOST_AT_ONCE = 100  # then the other duties of a sweep
_log = structlog.get_logger()


def fire_due(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Accept the report of every due schedule and wake the workers; returns how many fired.

    A wake-up that Redis does not take is left to the next sweeps, as the batches are due.
    """
    with borrowed(pool) as conn:
        if conn.execute(_SQL["anything_due"]).fetchone() != (True,):
            return 0
    fired = asyncio.run(_fire_all(settings))
    failpoints.hit("schedule.after_commit")
    for run in fired:
        SCHEDULES_FIRED.labels("accepted" if run.error is None else "refused").inc()
        log = _log.bind(schedule=str(run.schedule_id), due_at=run.due_at.isoformat())
        if run.error is None:
            log.info("schedule_fired", report_id=str(run.report_id))
        else:
            log.warning("schedule_refused", error=run.error)
    publish_or_leave(broker, [wake for run in fired for wake in run.wakes])
    return len(fired)


def deliver(pool: ConnectionPool, storage: Storage, keep_going: Callable[[], bool] = lambda: True) -> None:
    """Copy the files of finished reports to where their schedules want them."""
    for _ in range(_MOST_AT_ONCE):
        if not keep_going() or (shipment := deliver_one(pool, storage)) is None:
            return
        which = {"schedule": str(shipment.schedule_id), "report_id": str(shipment.report_id)}
        log = _log.bind(**which, attempt=shipment.attempt)
        if shipment.error is None:
            log.info("files_delivered")
        else:
            log.warning("files_not_delivered", error=shipment.error)
            if shipment.is_lost:
                OBJECTS_REFUSED.labels("delivery").inc()


async def _fire_all(settings: Settings) -> list[Fired]:
    terms = BatchTerms(settings.batch_stores, settings.republish_s, limits=KeyLimits.of(settings))
    fired: list[Fired] = []
    async with connect_async(
        settings.database_url.get_secret_value(), application_name="uptill-scheduler schedules"
    ) as conn:
        while len(fired) < _MOST_AT_ONCE and (run := await fire_one(conn, terms)) is not None:
            fired.append(run)
    return fired
