"""Open what a worker process works with, and close it again. Used by both ways to start a worker."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from services.worker.memory import cache_bytes, divide_cache, keep_freed_arrays
from services.worker.own_parts import OwnParts
from services.worker.presence import Presence
from shared.db.connect import make_pool
from shared.db.schema import await_schema
from shared.live.terms import LiveTerms
from shared.metrics.exposition import serve_metrics
from shared.publisher import Publisher
from shared.reports.claim import LeaseTerms
from shared.session_names import session_name
from shared.settings import Settings, load_settings
from shared.storage import make_storage
from shared.tracing import start_tracing, stop_tracing

# What is still unpublished then is left to the scheduler.
_PUBLISH_WITHIN_S = 1.0


def load_worker_settings() -> Settings:
    """Read the settings from the environment. Raises `ConfigurationError` if one that a worker needs is missing."""
    return load_settings().require("database_url", "redis_url", "s3_bucket")


@contextmanager
def open_context(settings: Settings, wait: Callable[[float], bool]) -> Iterator[WorkerContext]:
    """Yield the context once the database has this release's schema, or once `wait(seconds)` returns True.

    Also starts what runs beside the work: metrics, traces, the presence session and the publisher.
    """
    keep_freed_arrays()
    name = name_worker()
    inputs_bytes, parts_bytes = divide_cache(cache_bytes(settings.cache_mb))
    database_url = settings.database_url.get_secret_value()
    presence = Presence(database_url, name)
    publisher = Publisher(settings.redis_url.get_secret_value())
    pool = make_pool(
        database_url,
        # `uptill doctor` and a metric compare the databases of all services by these names.
        application_name=f"{session_name('uptill-worker')} {name}",
        max_size=settings.pool_size,
        lock_timeout_s=settings.lock_timeout_s,
    )
    with pool:
        serve_metrics(settings, "worker")
        start_tracing("worker", settings.otlp_endpoint)
        await_schema(pool, wait)
        presence.start()
        publisher.start()
        try:
            yield WorkerContext(
                pool,
                make_storage(settings),
                LeaseTerms(name, settings.lease_s, settings.max_attempts, presence.number),
                publisher.offer,
                InputCache(inputs_bytes),
                OwnParts(parts_bytes),
                LiveTerms.of(settings),
            )
        finally:
            presence.stop()
            publisher.close(_PUBLISH_WITHIN_S)
            stop_tracing()


def name_worker() -> str:
    """Return the name that leases and database sessions of this process carry."""
    return f"{socket.gethostname()}/{os.getpid()}"
