"""The scheduler process: `python -m services.scheduler`. Does what becomes due only by the passing of time.

Several schedulers may run at once: every step is a conditional update, and an extra message only wakes a worker.
"""

from contextlib import suppress
from functools import partial

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.due_levels import wake_for_levels
from services.scheduler.duty import try_step
from services.scheduler.janitor import Janitor
from services.scheduler.live_state import keep_live_state
from services.scheduler.metric_facts import FactCollector
from services.scheduler.nightly_exports import start_nightly_exports
from services.scheduler.nightly_facts import start_nightly_facts
from services.scheduler.recovery import Recovery
from services.scheduler.schedules.due import fire_due
from services.scheduler.sweep import SWEEP_STEPS
from services.scheduler.webhooks.deliveries import DeliveryLimits
from services.scheduler.webhooks.dial import Dialer
from services.scheduler.webhooks.sender import WebhookSender
from shared.db.connect import make_pool
from shared.db.schema import await_schema
from shared.errors import ConfigurationError, QueueUnavailable
from shared.metrics.exposition import serve_metrics
from shared.metrics.registry import LAST_SWEEP, SWEEPS
from shared.queue import check_queue, make_brief_client, make_broker
from shared.settings import Settings, load_settings
from shared.stop_signals import ShutdownSignals
from shared.storage import make_storage
from shared.telemetry import configure_logging
from shared.uptime.tzdata_release import tzdata_version

# At a stop. What has no answer by then is sent again by another scheduler.
_ANSWERS_WITHIN_S = 3.0
# 0.5 s before supervisors kill the process. Reached only while a server is frozen.
_ENDS_WITHIN_S = 9.5
_log = structlog.get_logger()


def run_scheduler(settings: Settings, stop: ShutdownSignals) -> None:
    """Sweep every `sweep_s` seconds until asked to stop. An outage costs one step of a sweep, not the process.

    The object store must not hold up a sweep, so the `Janitor` has a thread of its own. So has `Recovery`, which
    checks more often.
    """
    database_url = settings.database_url.get_secret_value()
    redis_url = settings.redis_url.get_secret_value()
    # With the brief client a frozen Redis costs a sweep at most a second.
    broker = make_broker(redis_url, make_brief_client(redis_url))
    storage = make_storage(settings)
    serve_metrics(
        settings, "scheduler", FactCollector(database_url, broker, redis_url, settings.silent_after_s)
    )
    with make_pool(
        database_url,
        application_name=f"uptill-scheduler tzdata={tzdata_version()}",
        max_size=3 + settings.webhook_threads,
    ) as pool:
        await_schema(pool, stop.wait)
        sender = _make_sender(pool, settings)
        janitor = Janitor(pool, storage, settings)
        recovery = Recovery(broker, settings)
        for thread in (sender, janitor, recovery):
            thread.start()
        while not stop.requested:
            _run_round(pool, broker, settings, janitor, recovery)
            stop.wait(settings.sweep_s)
        for thread in (recovery, janitor, sender):
            thread.stop(_ANSWERS_WITHIN_S)
    broker.close()


def _make_sender(pool: ConnectionPool, settings: Settings) -> WebhookSender:
    return WebhookSender(
        pool,
        Dialer(settings.webhook_allow_private, settings.webhook_timeout_s),
        settings.webhook_threads,
        DeliveryLimits(settings.webhook_per_key, settings.webhook_per_receiver),
    )


def _run_round(
    pool: ConnectionPool, broker: RedisBroker, settings: Settings, janitor: Janitor, recovery: Recovery
) -> None:
    healthy = try_step("schedules", lambda: fire_due(pool, broker, settings))
    healthy &= try_step("facts", lambda: start_nightly_facts(pool, broker, settings))
    healthy &= try_step("service_levels", lambda: wake_for_levels(pool, broker))
    healthy &= try_step("facts_export", lambda: start_nightly_exports(pool, broker, settings))
    healthy &= try_step("live state", lambda: keep_live_state(pool, broker, settings))
    for name, step in SWEEP_STEPS.items():
        healthy &= try_step(name, partial(step, pool, broker, settings))
    healthy &= janitor.is_healthy()
    healthy &= recovery.is_healthy()
    SWEEPS.labels("done" if healthy else "skipped").inc()
    if healthy:
        LAST_SWEEP.set_to_current_time()


def main() -> None:
    """Run the scheduler; exit with status 1 and a logged reason if its settings cannot be used."""
    configure_logging("scheduler", "INFO")
    stop = ShutdownSignals()
    stop.end_within(_ENDS_WITHIN_S)
    try:
        settings = load_settings().require("database_url", "redis_url", "s3_bucket")
        configure_logging("scheduler", settings.log_level)
        # If Redis is away now, the workers check it once it is back.
        with suppress(QueueUnavailable):
            check_queue(settings.redis_url.get_secret_value())
    except ConfigurationError as error:
        _log.error("scheduler_cannot_run", error=str(error))
        raise SystemExit(1) from None
    _log.info("scheduler_started", sweep_s=settings.sweep_s)
    run_scheduler(settings, stop)
    _log.info("scheduler_stopped")
