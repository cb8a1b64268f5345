"""The worker process: `python -m services.worker`; start as many as you like.

Dramatiq's worker runs inside this one process instead of under Dramatiq's command (docs/decisions/0015). For that
command there is `services.worker.app`.
"""

import dramatiq
import structlog
from dramatiq.brokers.redis import RedisBroker

from services.worker.actors import register_actors
from services.worker.blocking_broker import BlockingBroker, set_home
from services.worker.drain import drain
from services.worker.open_context import load_worker_settings, open_context
from services.worker.queue_fallback import QueueFallback
from services.worker.server_checks import repeat_checks, run_checks
from shared.contracts import REPORT_QUEUE, SHORT_QUEUE
from shared.errors import ConfigurationError
from shared.queue import check_queue, make_broker
from shared.settings import Settings
from shared.stop_signals import ShutdownSignals
from shared.telemetry import configure_logging

_log = structlog.get_logger()
# How often idle threads look whether they should stop. Messages wake them at once.
IDLE_MS = 450
# To leave the queue and give leases back. Reached only while a server is frozen.
_AFTER_GRACE_S = 8.0


def run_worker(settings: Settings, stop: ShutdownSignals) -> None:
    """Work until asked to stop, then finish what is in hand. Raises `ConfigurationError` for an unsafe Redis or bucket."""
    redis_url = settings.redis_url.get_secret_value()
    # A server that is away does not keep the worker from starting: Postgres has the work too.
    unanswered = run_checks({"queue": lambda: check_queue(redis_url)})
    broker = make_broker(redis_url, kind=BlockingBroker)
    with open_context(settings, stop.wait) as context:
        register_actors(broker, lambda: context)
        set_home(broker, context.terms.presence)
        workers = [
            make_worker(broker, REPORT_QUEUE, settings.worker_threads),
            make_worker(broker, SHORT_QUEUE, 1),
        ]
        fallback = QueueFallback(context, redis_url, threads=settings.worker_threads, every_s=settings.look_s)
        broker.emit_after("process_boot")
        for worker in workers:
            worker.start()
        fallback.start()
        _log.info("worker_started", worker=context.terms.worker)
        try:
            repeat_checks({**unanswered, "bucket": context.storage.refuse_public}, stop.wait)
            stop.wait()
        finally:
            drain(workers, fallback, context, settings.stop_grace_s)
            broker.close()


def make_worker(broker: RedisBroker, queue: str, threads: int) -> dramatiq.Worker:
    """Return a worker of one queue that fetches only what its threads can start at once."""
    worker = dramatiq.Worker(broker, queues={queue}, worker_timeout=IDLE_MS, worker_threads=threads)
    # A busy worker must not hold messages that another one could take.
    worker.queue_prefetch = threads
    return worker


def main() -> None:
    """Run a worker; exit with status 1 and a logged reason if its settings cannot be used."""
    configure_logging("worker", "INFO")
    stop = ShutdownSignals()
    try:
        settings = load_worker_settings()
        configure_logging("worker", settings.log_level)
        stop.end_within(settings.stop_grace_s + _AFTER_GRACE_S)
        run_worker(settings, stop)
    except ConfigurationError as error:
        _log.error("worker_cannot_run", error=str(error))
        raise SystemExit(1) from None
    _log.info("worker_stopped")
