"""The scheduler process: `python -m services.scheduler`. Does what becomes due only by the passing of time.

Several schedulers may run at once: every step is a conditional update, and an extra message only wakes a worker.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.channels.chat import ChatTerms
from services.scheduler.channels.mail_server import MailServer
from services.scheduler.channels.outbox import MessageOutbox, Outlets
from services.scheduler.due_levels import wake_for_levels
from services.scheduler.duty import Duty, try_step
from services.scheduler.follow_news import NewsFollower, news_steps
from services.scheduler.frozen_clients import FrozenClients
from services.scheduler.incidents.evaluate_due import evaluate_rules
from services.scheduler.janitor import Janitor
from services.scheduler.live_state import keep_live_state
from services.scheduler.metric_facts import FactCollector
from services.scheduler.nightly_exports import start_nightly_exports
from services.scheduler.nightly_facts import start_nightly_facts
from services.scheduler.nightly_insights import start_nightly_insights
from services.scheduler.recovery import Recovery
from services.scheduler.schedules.due import fire_due
from services.scheduler.sealing import start_sealing
from services.scheduler.sender import Sender
from services.scheduler.sweep import SWEEP_STEPS
from services.scheduler.webhooks.deliveries import DeliveryLimits
from services.scheduler.webhooks.dial import Dialer
from services.scheduler.webhooks.outbox import WebhookOutbox
from shared.db.connect import make_pool
from shared.db.schema import await_schema
from shared.errors import ConfigurationError, QueueUnavailable
from shared.metrics.exposition import serve_metrics
from shared.metrics.registry import LAST_SWEEP, SWEEPS
from shared.queue import check_queue, make_brief_client, make_broker
from shared.session_names import session_name
from shared.settings import Settings, load_settings
from shared.stop_signals import ShutdownSignals
from shared.storage import Storage, make_storage
from shared.telemetry import configure_logging

# At a stop. What has no answer by then is sent again by another scheduler.
_ANSWERS_WITHIN_S = 3.0
_DUTIES_WITHIN_S = 2.0
# 0.5 s before supervisors kill the process. Reached only while a server is frozen.
_ENDS_WITHIN_S = 9.5
_log = structlog.get_logger()


def run_scheduler(settings: Settings, stop: ShutdownSignals) -> None:
    """Sweep every `sweep_s` seconds until asked to stop. An outage costs one step of a sweep, not the process.

    The object store must not hold up a sweep, so the `Janitor` has a thread of its own. So have `Recovery`, which
    checks more often, and the `NewsFollower`, which waits for notices.
    """
    database_url = settings.database_url.get_secret_value()
    redis_url = settings.redis_url.get_secret_value()
    # With the brief client a frozen Redis costs a sweep at most a second.
    broker = make_broker(redis_url, make_brief_client(redis_url))
    storage = make_storage(settings)
    mail = MailServer.of(settings)
    serve_metrics(
        settings, "scheduler", FactCollector(database_url, broker, redis_url, settings.silent_after_s)
    )
    with make_pool(
        database_url,
        application_name=session_name("uptill-scheduler"),
        max_size=5 + settings.webhook_threads,
    ) as pool:
        await_schema(pool, stop.wait)
        sender = _make_sender(pool, storage, settings, mail)
        duties: list[Duty] = [
            Janitor(pool, storage, settings),
            Recovery(broker, settings),
            FrozenClients(pool),
        ]
        if settings.now_every_s:
            duties.append(NewsFollower(database_url, news_steps(pool, broker, settings)))
        sender.start()
        for duty in duties:
            duty.start()
        while not stop.requested:
            _run_round(pool, broker, settings, duties)
            stop.wait(settings.sweep_s)
        for duty in reversed(duties):
            duty.stop(_DUTIES_WITHIN_S)
        sender.stop(_ANSWERS_WITHIN_S)
    broker.close()


def _make_sender(
    pool: ConnectionPool, storage: Storage, settings: Settings, mail: MailServer | None
) -> Sender:
    dialer = Dialer(settings.webhook_allow_private, settings.webhook_timeout_s)
    chat = ChatTerms(settings.webhook_allow_private)
    outlets = Outlets(dialer, mail, chat, settings.public_url or settings.api_url)
    limits = DeliveryLimits(settings.webhook_per_key, settings.webhook_per_receiver)
    return Sender(
        [
            MessageOutbox(pool, storage, outlets, settings.channel_gather_s),
            WebhookOutbox(pool, dialer, limits),
        ],
        settings.webhook_threads,
    )


def _run_round(pool: ConnectionPool, broker: RedisBroker, settings: Settings, duties: Sequence[Duty]) -> None:
    healthy = try_step("schedules", lambda: fire_due(pool, broker, settings))
    healthy &= try_step("facts", lambda: start_nightly_facts(pool, broker, settings))
    healthy &= try_step("service_levels", lambda: wake_for_levels(pool, broker))
    healthy &= try_step("facts_export", lambda: start_nightly_exports(pool, broker, settings))
    healthy &= try_step("insights", lambda: start_nightly_insights(pool, broker, settings))
    healthy &= try_step("sealing", lambda: start_sealing(pool, broker, settings))
    healthy &= try_step("live state", lambda: keep_live_state(pool, broker, settings))
    healthy &= try_step("alert rules", lambda: evaluate_rules(pool))
    for name, step in SWEEP_STEPS.items():
        healthy &= try_step(name, partial(step, pool, broker, settings))
    healthy &= all(duty.is_healthy() for duty in duties)
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
        MailServer.of(settings)  # refuses settings that contradict each other
        # If Redis is away now, the workers check it once it is back.
        with suppress(QueueUnavailable):
            check_queue(settings.redis_url.get_secret_value())
    except ConfigurationError as error:
        _log.error("scheduler_cannot_run", error=str(error))
        raise SystemExit(1) from None
    _log.info("scheduler_started", sweep_s=settings.sweep_s)
    run_scheduler(settings, stop)
    _log.info("scheduler_stopped")
