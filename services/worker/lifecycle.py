"""Open and close a worker's context where Dramatiq's own command starts and stops its worker."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn

import dramatiq
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware

from services.worker.blocking_broker import set_home
from services.worker.context import WorkerContext
from services.worker.drain import finish_work, give_back_leases
from services.worker.open_context import open_context
from services.worker.queue_fallback import QueueFallback
from services.worker.server_checks import repeat_checks
from shared.errors import ConfigurationError
from shared.queue import check_queue
from shared.settings import Settings
from shared.telemetry import configure_logging

_log = structlog.get_logger()


class WorkerLifecycle(Middleware):
    """Dramatiq middleware that gives the actors their context. One worker per process.

    A worker under Dramatiq's command starts only once Redis, the bucket and the database have answered.
    """

    def __init__(self, settings: Settings, *, idle_ms: int) -> None:
        self._settings = settings
        self._idle_ms = idle_ms
        self._opened = ExitStack()
        self._context: WorkerContext | None = None
        self._fallback: QueueFallback | None = None

    @property
    def context(self) -> WorkerContext:
        """The context of the running worker."""
        if self._context is None:
            raise RuntimeError("the worker has not started")
        return self._context

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Open the context before the worker fetches its first message."""
        settings, redis_url = self._settings, self._settings.redis_url.get_secret_value()
        configure_logging("worker", settings.log_level)
        # As `make_worker` sets them; the worker hands both to its threads when they start.
        worker.queue_prefetch, worker.worker_timeout = worker.worker_threads, self._idle_ms
        with _signals_end_process():
            try:
                self._context = self._opened.enter_context(open_context(settings, _wait))
                if isinstance(broker, RedisBroker):
                    set_home(broker, self._context.terms.presence)
                checks = {
                    "queue": lambda: check_queue(redis_url),
                    "bucket": self._context.storage.refuse_public,
                }
                repeat_checks(checks, _wait)
            except ConfigurationError as error:
                _log.error("worker_cannot_run", error=str(error))
                raise SystemExit(1) from None
        self._fallback = QueueFallback(
            self._context, redis_url, threads=worker.worker_threads, every_s=settings.look_s
        )
        self._fallback.start()
        _log.info("worker_started", worker=self._context.terms.worker)

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Finish what is in hand within the grace period, and give back the rest."""
        del broker
        if self._context is not None and self._fallback is not None:
            finish_work([worker], self._fallback, self._context, self._settings.stop_grace_s)
            give_back_leases(self._context, publish=True)

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Close the context after the last thread has ended."""
        del broker, worker
        self._opened.close()
        _log.info("worker_stopped")


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


@contextmanager
def _signals_end_process() -> Iterator[None]:
    """Let SIGTERM end a process that is still starting: Dramatiq's handler only marks it to stop once it runs."""
    before = signal.signal(signal.SIGTERM, _end_process)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_process(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
