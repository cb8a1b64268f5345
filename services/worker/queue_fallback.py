"""While Redis is away, a worker finds due work in Postgres itself. The use cases and their claims are the same."""

import random
import threading
from contextlib import closing

import structlog

from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from services.worker.levels.evaluate_due import evaluate_due_level
from shared.db.connect import borrowed
from shared.errors import InfrastructureError
from shared.queue_state import QueueProbe
from shared.reports.due import due_finalisations

_log = structlog.get_logger()


class QueueFallback:
    """A thread that checks every `every_s` seconds whether Redis takes messages, and threads that work while it does not."""

    def __init__(self, context: WorkerContext, redis_url: str, *, threads: int, every_s: float) -> None:
        self._context = context
        self._redis_url = redis_url
        self._every_s = every_s
        self._stopping = threading.Event()
        self._is_away = threading.Event()
        runs = [("queue-probe", self._probe)]
        runs += [(f"queue-fallback-{number}", self._run) for number in range(threads)]
        self._threads = [threading.Thread(target=run, name=name, daemon=True) for name, run in runs]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take nothing new."""
        self._stopping.set()
        self._is_away.set()

    def _probe(self) -> None:
        with closing(QueueProbe(self._redis_url)) as probe:
            while not self._stopping.wait(self._every_s):
                if probe.takes_messages():
                    self._is_away.clear()
                else:
                    self._is_away.set()
        # Perhaps it was cleared just after `stop` had set it to end the others' wait.
        self._is_away.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._is_away.wait()
            self._process_due_work()
            self._stopping.wait(self._every_s)

    def _process_due_work(self) -> None:
        """Process due work until none is left or Redis is back."""
        try:
            while self._is_away.is_set() and not self._stopping.is_set() and self._process_next():
                pass
        except InfrastructureError as error:
            _log.warning("fallback_skipped", error=str(error))
        except Exception:  # noqa: BLE001 - it is logged, and the next pass may succeed
            _log.exception("fallback_failed")

    def _process_next(self) -> bool:
        """Compute the next batch, finish a report that no worker is finishing, or evaluate a service level.

        Return False if nothing is due.
        """
        if compute_next(self._context) is not None:
            return True
        with borrowed(self._context.pool) as conn:
            due = due_finalisations(conn, self._context.terms.max_attempts)
        if not due:
            return evaluate_due_level(self._context) is True
        wake = random.choice(due)  # noqa: S311 - nobody gains by guessing it
        finalise_report(self._context, wake.report_id)
        return True
