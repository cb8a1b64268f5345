"""The worker process: `python -m services.worker`; start as many as you like.

Dramatiq's worker runs inside this one process instead of under Dramatiq's command (docs/decisions/0015).
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dramatiq
import structlog
from dramatiq.brokers.redis import RedisBroker

from services.worker.actors import register_actors
from services.worker.context import WorkerContext
from services.worker.drain import drain
from services.worker.inputs import InputCache
from services.worker.memory import keep_freed_arrays
from services.worker.presence import Presence
from services.worker.queue_fallback import Lookout
from shared.contracts import REPORT_QUEUE, SHORT_QUEUE
from shared.db.connect import make_pool
from shared.db.schema import await_schema
from shared.errors import ConfigurationError, InfrastructureError
from shared.metrics.exposition import serve_metrics
from shared.publisher import Publisher
from shared.queue import check_queue, make_broker
from shared.reports.claim import LeaseTerms
from shared.settings import Settings, load_settings
from shared.stop_signals import StopSignals
from shared.storage import make_storage
from shared.telemetry import configure_logging
from shared.tracing import start_tracing, stop_tracing

_log = structlog.get_logger()
# Measured: an idle worker picks up a message after 7 ms (median); with Dramatiq's own 1000 ms it takes 324 ms.
_IDLE_MS = 20
_CHECK_AGAIN_S = 2.0
_AFTER_GRACE_S = 8.0  # to leave the queue and give leases back; reached only while a server is frozen
_PUBLISHED_WITHIN_S = 1.0  # at the end; what is left is published by the scheduler


def run(settings: Settings, stop: StopSignals) -> None:
    """Work until asked to stop, then finish what is in hand. Raises `ConfigurationError` for an unsafe Redis or bucket."""
    keep_freed_arrays()
    redis_url = settings.redis_url.get_secret_value()
    queue_is_safe = _is_safe("queue", lambda: check_queue(redis_url))
    broker = make_broker(redis_url)
    presence = Presence(settings.database_url.get_secret_value(), worker_name())
    publisher = Publisher(redis_url)
    with _context(settings, publisher, presence) as context:
        register_actors(broker, lambda: context)
        broker.delay_queues.clear()  # no message is ever delayed, and Redis would be asked for such as often
        workers = [_worker(broker, REPORT_QUEUE, settings.worker_threads), _worker(broker, SHORT_QUEUE, 1)]
        lookout = Lookout(context, redis_url, threads=settings.worker_threads, every_s=settings.look_s)
        serve_metrics(settings, "worker")
        start_tracing("worker", settings.otlp_endpoint)
        await_schema(context.pool, stop.wait)
        presence.start()
        broker.emit_after("process_boot")
        publisher.start()
        for worker in workers:
            worker.start()
        lookout.start()
        _log.info("worker_started", worker=context.terms.worker)
        try:
            bucket_is_safe = _is_safe("bucket", context.storage.refuse_public)
            while not (queue_is_safe and bucket_is_safe) and not stop.wait(_CHECK_AGAIN_S):
                queue_is_safe = queue_is_safe or _is_safe("queue", lambda: check_queue(redis_url))
                bucket_is_safe = bucket_is_safe or _is_safe("bucket", context.storage.refuse_public)
            stop.wait()
        finally:
            drain(workers, lookout, context, settings.stop_grace_s)
            presence.stop()
            publisher.close(_PUBLISHED_WITHIN_S)
            broker.close()
            stop_tracing()


def worker_name() -> str:
    """Return what leases and sessions of this process are called."""
    return f"{socket.gethostname()}/{os.getpid()}"


def _worker(broker: RedisBroker, queue: str, threads: int) -> dramatiq.Worker:
    worker = dramatiq.Worker(broker, queues={queue}, worker_timeout=_IDLE_MS, worker_threads=threads)
    worker.queue_prefetch = threads  # a busy worker must not hold what another could do
    return worker


@contextmanager
def _context(settings: Settings, publisher: Publisher, presence: Presence) -> Iterator[WorkerContext]:
    name = worker_name()
    pool = make_pool(
        settings.database_url.get_secret_value(),
        application_name=f"uptill-worker {name}",
        max_size=settings.pool_size,
        lock_timeout_s=settings.lock_timeout_s,
    )
    with pool:
        yield WorkerContext(
            pool,
            make_storage(settings),
            LeaseTerms(name, settings.lease_s, settings.max_attempts, presence.number),
            publisher.offer,
            InputCache(settings.cache_mb << 20),
        )


def _is_safe(what: str, check: Callable[[], None]) -> bool:
    """Whether it was looked at; a server that is away is no reason not to start, since Postgres has the work too."""
    try:
        check()
    except InfrastructureError as error:
        _log.warning("not_checked", what=what, error=str(error))
        return False
    return True


def main() -> None:
    """Entry point; ends with status 1 and a logged reason when the settings cannot be worked with."""
    configure_logging("worker", "INFO")
    stop = StopSignals()
    try:
        settings = load_settings().require("database_url", "redis_url", "s3_bucket")
        configure_logging("worker", settings.log_level)
        stop.end_within(settings.stop_grace_s + _AFTER_GRACE_S)
        run(settings, stop)
    except ConfigurationError as error:
        _log.error("worker_cannot_run", error=str(error))
        raise SystemExit(1) from None
    _log.info("worker_stopped")
