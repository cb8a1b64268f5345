"""The scheduler process: `python -m services.scheduler`. Sweeps what time alone makes due.

Several may run: every step is a conditional update, and a message too many is only a wake-up too many.
"""

from contextlib import suppress

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.janitor import Housekeeper, attempt
from services.scheduler.metric_facts import Facts
from services.scheduler.recovery import Recovery
from services.scheduler.schedules.due import fire_due
from services.scheduler.webhooks.dial import Dialer
from services.scheduler.webhooks.sender import Sender
from shared import failpoints
from shared.contracts import Wake
from shared.db.connect import borrowed, make_pool
from shared.db.schema import await_schema
from shared.errors import ConfigurationError, QueueUnavailable
from shared.metrics.exposition import serve_metrics
from shared.metrics.registry import (
    LAST_SWEEP,
    LEASES_EXPIRED,
    REPORTS_BURIED,
    REPUBLISHED,
    SWEEPS,
)
from shared.queue import check_queue, make_brief_client, make_broker, publish, queue_depth
from shared.reports.due import (
    bury_poison,
    count_pending,
    due_finalisations,
    expire_leases,
    take_due,
    take_due_finalisations,
)
from shared.reports.presence import forget_missed_claims
from shared.settings import Settings, load_settings
from shared.stop_signals import StopSignals
from shared.storage import make_storage
from shared.telemetry import configure_logging
from shared.webhooks.deliveries import Bounds

_ANSWERS_WITHIN_S = (
    3.0  # when stopping: what has not been answered by then is sent again by another scheduler
)
_ENDS_WITHIN_S = 9.5  # 0.5 s before supervisors kill it; reached only while a server is frozen
_log = structlog.get_logger()


def sweep(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """End leases, bury poison and publish what nobody has claimed; returns the number of messages published.

    While Redis holds a message for each batch and merge that waits, the workers are merely busy and nothing is published
    again. All that wait are compared, also batches not due yet: their messages must not hide that those of others were lost.
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
    with borrowed(pool) as conn:
        waiting = count_pending(conn) + len(due_finalisations(conn, settings.max_attempts))
    is_lacking = waiting > queue_depth(broker)
    wakes: list[Wake] = []
    with borrowed(pool) as conn:
        finalisations = take_due_finalisations(
            conn, max_attempts=settings.max_attempts, republish_s=settings.republish_s, again=is_lacking
        )
        if is_lacking:
            wakes += take_due(conn, republish_s=settings.republish_s)
    if wakes or finalisations:
        failpoints.hit("sweep.before_publish")
        publish(
            broker, finalisations, ahead=True
        )  # a report that lacks nothing else must not wait for a backlog
        publish(broker, wakes)
        REPUBLISHED.inc(len(wakes) + len(finalisations))
        _log.info("republished", messages=len(wakes) + len(finalisations))
    return len(wakes) + len(finalisations)


def run(settings: Settings, stop: StopSignals) -> None:
    """Sweep every `sweep_s` seconds until told to stop; an outage costs a step of a sweep, not the process.

    Beside it run the `Housekeeper`, as the object store must not hold up a sweep, and `Recovery`, which looks more often.
    """
    redis_url = settings.redis_url.get_secret_value()
    broker = make_broker(
        redis_url, make_brief_client(redis_url)
    )  # a frozen Redis costs a sweep a second at most
    storage = make_storage(settings)
    serve_metrics(
        settings,
        "scheduler",
        Facts(settings.database_url.get_secret_value(), broker, redis_url, settings.silent_after_s),
    )
    with make_pool(
        settings.database_url.get_secret_value(),
        application_name="uptill-scheduler",
        max_size=3 + settings.webhook_threads,
    ) as pool:
        sender = Sender(
            pool,
            Dialer(settings.webhook_allow_private, settings.webhook_timeout_s),
            settings.webhook_threads,
            Bounds(settings.webhook_per_key, settings.webhook_per_receiver),
        )
        await_schema(pool, stop.wait)
        sender.start()
        house = Housekeeper(pool, storage, settings)
        house.start()
        recovery = Recovery(broker, settings)
        recovery.start()
        while not stop.requested:
            well = attempt(lambda: fire_due(pool, broker, settings))
            well &= attempt(lambda: sweep(pool, broker, settings))
            well &= house.is_well()
            well &= recovery.is_well()
            SWEEPS.labels("done" if well else "skipped").inc()
            if well:
                LAST_SWEEP.set_to_current_time()
            stop.wait(settings.sweep_s)
        recovery.stop(_ANSWERS_WITHIN_S)
        house.stop(_ANSWERS_WITHIN_S)
        sender.stop(_ANSWERS_WITHIN_S)
    broker.close()


def main() -> None:
    """Entry point."""
    configure_logging("scheduler", "INFO")
    stop = StopSignals()
    stop.end_within(_ENDS_WITHIN_S)
    try:
        settings = load_settings().require("database_url", "redis_url", "s3_bucket")
        configure_logging("scheduler", settings.log_level)
        with suppress(QueueUnavailable):  # the workers look again until they have seen it
            check_queue(settings.redis_url.get_secret_value())
    except ConfigurationError as error:
        _log.error("scheduler_cannot_run", error=str(error))
        raise SystemExit(1) from None
    _log.info("scheduler_started", sweep_s=settings.sweep_s)
    run(settings, stop)
    _log.info("scheduler_stopped")
