"""The worker for Dramatiq's own command: `dramatiq services.worker.app`. Importing it makes the broker and the actors.

Settings come from the environment. Threads and processes are the command's (`--threads`, `--processes`), and no
thread is kept for short reports: `dramatiq services.worker.app --queues short --threads 1` is one that serves only them.
"""

import dramatiq
import structlog

from services.worker.actors import register_actors
from services.worker.blocking_broker import BlockingBroker
from services.worker.lifecycle import WorkerLifecycle
from services.worker.main import IDLE_MS
from services.worker.open_context import load_worker_settings
from shared.errors import ConfigurationError
from shared.queue import make_broker
from shared.telemetry import configure_logging

configure_logging("worker", "INFO")
try:
    settings = load_worker_settings()
except ConfigurationError as error:
    structlog.get_logger().error("worker_cannot_run", error=str(error))
    raise SystemExit(1) from None
broker = make_broker(settings.redis_url.get_secret_value(), kind=BlockingBroker)
lifecycle = WorkerLifecycle(settings, idle_ms=IDLE_MS)
broker.add_middleware(lifecycle)
register_actors(broker, lambda: lifecycle.context)
dramatiq.set_broker(broker)
