"""The scheduler process: `python -m services.worker.scheduler`. Sweeps what time alone makes due.

Several may run: every step is a conditional update, and a message too many is only a wake-up too many.
"""

import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.worker.facts import Facts
from services.worker.schedules import deliver, fire_due
from services.worker.webhooks.dial import Dialer
from services.worker.webhooks.sender import Sender
from shared import failpoints
from shared.contracts import Wake
from shared.db.connect import borrowed, make_pool
from shared.db.schema import await_schema
from shared.errors import ConfigurationError, InfrastructureError, QueueUnavailable
from shared.metrics.exposition import serve_metrics
from shared.metrics.registry import (
    FILES_LOST,
    LAST_SWEEP,
    LEASES_EXPIRED,
    REPORTS_BURIED,
    REPORTS_EXPIRED,
    REPUBLISHED,
    SWEEPS,
)
from shared.queue import check_queue, make_broker, publish, queue_depth
from shared.reports.due import bury_poison, count_pending, due_finalisations, expire_leases, take_due
from shared.reports.forget import drop_old_weeks, forget_rejects, forget_reports
from shared.reports.retention import Swept, expire_reports, remove_files, sweep_bucket
from shared.settings import Settings, load_settings
from shared.stop_signals import StopSignals
from shared.storage import Storage, make_storage
from shared.telemetry import configure_logging

_ANSWERS_WITHIN_S = (
    3.0  # when stopping: what has not been answered by then is sent again by another scheduler
)
_log = structlog.get_logger()


def sweep(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """End leases, bury poison and publish what nobody has claimed; returns the number of messages published.

    While Redis holds a message for each batch that waits, the workers are merely busy and nothing is added. All that
    wait are compared, also those not due yet: their messages must not hide that those of others were lost.
    """
    with borrowed(pool) as conn:
        if expired := expire_leases(conn):
            LEASES_EXPIRED.inc(expired)
            _log.warning("leases_expired", batches=expired)
    with borrowed(pool) as conn:
        for report_id in bury_poison(conn, settings.max_attempts):
            REPORTS_BURIED.inc()
            _log.error("report_failed", report_id=str(report_id))
    with borrowed(pool) as conn:
        pending = count_pending(conn)
    wakes: list[Wake] = []
    if pending > queue_depth(broker):
        with borrowed(pool) as conn:
            wakes += take_due(conn, republish_s=settings.republish_s)
    with borrowed(pool) as conn:
        wakes += due_finalisations(conn, settings.max_attempts)
    if wakes:
        failpoints.hit("sweep.before_publish")
        publish(broker, wakes)
        REPUBLISHED.inc(len(wakes))
        _log.info("republished", messages=len(wakes))
    return len(wakes)


def retire(pool: ConnectionPool, storage: Storage, settings: Settings) -> int:
    """Expire reports whose time is over and remove their files; returns how many."""
    with borrowed(pool) as conn:
        expired = expire_reports(conn, settings.report_ttl_s)
    if expired:
        failpoints.hit("retire.after_commit")
    REPORTS_EXPIRED.inc(len(expired))
    for report_id in expired:  # the mark is committed: what fails from here on is the janitor's
        _log.info("report_expired", report_id=str(report_id), objects=remove_files(storage, report_id))
    return len(expired)


def clean(
    pool: ConnectionPool, storage: Storage, settings: Settings, keep_going: Callable[[], bool] = lambda: True
) -> Swept:
    """Look through the bucket for what nothing points to, and remove it; ends early once `keep_going` says no."""
    with borrowed(pool) as conn:
        conn.autocommit = True  # a look takes as long as the store; it must not hold a snapshot
        try:
            swept = sweep_bucket(conn, storage, settings.report_ttl_s, keep_going=keep_going)
        finally:
            conn.autocommit = False
    _log.info("bucket_swept", **vars(swept))
    if swept.lost is not None:
        FILES_LOST.set(swept.lost)
    return swept


def forget(pool: ConnectionPool, storage: Storage, settings: Settings) -> None:
    """Drop weeks of polls, ended reports and rejected rows that are older than they are kept."""
    with borrowed(pool) as conn:
        conn.autocommit = True  # each step is a transaction of its own
        try:
            weeks = list(drop_old_weeks(conn, settings.polls_keep_days))
            rejects = forget_rejects(conn, settings.rejects_keep_days)
            reports = forget_reports(conn, storage, settings.reports_keep_days)
        finally:
            conn.autocommit = False
    if weeks or rejects or reports:
        _log.info("forgotten", weeks=weeks, rejects=rejects, reports=reports)


def run(settings: Settings, stop: StopSignals) -> None:
    """Sweep every `sweep_s` seconds until told to stop; an outage costs a step of a sweep, not the process."""
    broker = make_broker(settings.redis_url.get_secret_value())
    storage = make_storage(settings)
    serve_metrics(
        settings,
        "scheduler",
        Facts(settings.database_url.get_secret_value(), broker, settings.silent_after_s),
    )
    clean_at = time.monotonic() + settings.janitor_s
    with make_pool(
        settings.database_url.get_secret_value(),
        application_name="uptill-scheduler",
        max_size=2 + settings.webhook_threads,
    ) as pool:
        sender = Sender(
            pool,
            Dialer(settings.webhook_allow_private, settings.webhook_timeout_s),
            settings.webhook_threads,
        )
        await_schema(pool, stop.wait)
        sender.start()
        while not stop.requested:
            well = _attempt(lambda: fire_due(pool, broker, settings))
            well &= _attempt(lambda: sweep(pool, broker, settings))
            well &= _attempt(lambda: deliver(pool, storage, lambda: not stop.requested))
            well &= _attempt(lambda: retire(pool, storage, settings))
            if time.monotonic() >= clean_at and not stop.requested:
                clean_at = time.monotonic() + settings.janitor_s
                well &= _attempt(lambda: forget(pool, storage, settings))
                well &= _attempt(lambda: clean(pool, storage, settings, lambda: not stop.requested))
            SWEEPS.labels("done" if well else "skipped").inc()
            if well:
                LAST_SWEEP.set_to_current_time()
            stop.wait(settings.sweep_s)
        sender.stop(_ANSWERS_WITHIN_S)
    broker.close()


def _attempt(step: Callable[[], object]) -> bool:
    try:
        step()
    except InfrastructureError as error:
        _log.warning("sweep_skipped", error=str(error))
        return False
    return True


def main() -> None:
    """Entry point."""
    configure_logging("scheduler", "INFO")
    stop = StopSignals()
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


if __name__ == "__main__":
    main()
