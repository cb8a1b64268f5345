"""What the scheduler's duties have in common: threads that report their health, and steps that fail alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Event, Thread

import psycopg
import structlog

from shared.errors import InfrastructureError
from shared.metrics.registry import DUTIES_FAILED

_log = structlog.get_logger()
# Before a duty that failed begins again.
_PAUSE_S = 2.0


class Duty(Thread, ABC):
    """A daemon thread that repeats one duty until it is stopped. Subclasses implement `perform`."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._stopping = Event()
        self._was_healthy = True

    @abstractmethod
    def perform(self) -> None:
        """Do the duty until `_stopping` is set; note in `_was_healthy` whether every server answered."""

    def is_healthy(self) -> bool:
        """Return whether every server answered in the last round, and nothing else failed."""
        return self._was_healthy

    def stop(self, grace_s: float) -> None:
        """Begin nothing new and wait up to `grace_s` seconds. The next scheduler does what is unfinished then."""
        self._stopping.set()
        self.join(grace_s)

    def run(self) -> None:
        while not self._stopping.is_set():
            self._was_healthy = try_step(self.name, self.perform) or self._stopping.is_set()
            if not self._was_healthy:
                self._stopping.wait(_PAUSE_S)


def try_step(duty: str, step: Callable[[], object]) -> bool:
    """Run a step. Return False if it failed: a server was away, a statement was canceled, or anything else.

    Whatever it is, the other duties of the scheduler go on, and the step is tried again in the next round.
    """
    try:
        step()
    except (InfrastructureError, psycopg.OperationalError) as error:
        _log.warning("sweep_skipped", duty=duty, error=str(error))
        return False
    except Exception:  # noqa: BLE001 - it is logged and counted
        DUTIES_FAILED.labels(duty).inc()
        _log.exception("duty_failed", duty=duty)
        return False
    return True
