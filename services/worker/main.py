"""The worker process: `dramatiq services.worker.main --processes 1 --threads 2`.

Dramatiq imports this module in its master and in each worker process; connections are opened after the fork.
"""

import os
import socket

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware
from psycopg_pool import ConnectionPool

from services.worker.actors import register_actors
from services.worker.context import WorkerContext
from shared.db.connect import make_pool
from shared.metrics.exposition import serve_metrics
from shared.queue import check_queue, make_broker, publish_or_leave
from shared.reports.claim import LeaseTerms
from shared.settings import Settings, load_settings
from shared.storage import make_storage
from shared.telemetry import configure_logging


class _Resources(Middleware):
    """Opens the pool when a worker process boots and closes it when the process ends."""

    def __init__(self, settings: Settings, broker: RedisBroker) -> None:
        self._settings = settings
        self._broker = broker
        self._pool: ConnectionPool | None = None
        self._context: WorkerContext | None = None

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        del broker, worker
        settings = self._settings
        configure_logging("worker", settings.log_level)
        name = f"{socket.gethostname()}/{os.getpid()}"
        self._pool = make_pool(
            settings.database_url.get_secret_value(),
            application_name=f"uptill-worker {name}",
            max_size=settings.pool_size,
        )
        self._pool.open()
        self._context = WorkerContext(
            self._pool,
            make_storage(settings),
            LeaseTerms(name, settings.lease_s, settings.max_attempts),
            lambda wakes: publish_or_leave(self._broker, wakes),
        )
        serve_metrics(settings, "worker")

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        del broker, worker
        if self._pool is not None:
            self._pool.close()

    def context(self) -> WorkerContext:
        """Return what the use cases need. Raises RuntimeError before the boot."""
        if self._context is None:
            raise RuntimeError("the worker has not booted")
        return self._context


def _build() -> dramatiq.Broker:
    settings = load_settings().require("database_url", "redis_url", "s3_bucket")
    configure_logging("worker", settings.log_level)
    redis_url = settings.redis_url.get_secret_value()
    check_queue(redis_url)
    broker = make_broker(redis_url)
    resources = _Resources(settings, broker)
    broker.add_middleware(resources)
    register_actors(broker, resources.context)
    dramatiq.set_broker(broker)
    return broker


broker = _build()
