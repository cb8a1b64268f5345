"""What the scheduler's duties have in common: threads that report their health, and steps that survive an outage."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Event, Thread

import psycopg
import structlog

from shared.errors import InfrastructureError

_log = structlog.get_logger()


class Duty(Thread, ABC):
    """A daemon thread that repeats one duty until it is stopped. Subclasses implement `perform`."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._stopping = Event()
        self._was_healthy = True
        self._error: BaseException | None = None

    @abstractmethod
    def perform(self) -> None:
        """Do the duty until `_stopping` is set; note in `_was_healthy` whether every server answered."""

    def is_healthy(self) -> bool:
        """Return whether every server answered in the last round. Raises the error that ended the thread."""
        if self._error is not None:
            raise self._error
        return self._was_healthy

    def stop(self, grace_s: float) -> None:
        """Begin nothing new and wait up to `grace_s` seconds. The next scheduler does what is unfinished then."""
        self._stopping.set()
        self.join(grace_s)

    def run(self) -> None:
        try:
            self.perform()
        except BaseException as error:  # noqa: BLE001 - `is_healthy` raises it in the main thread
            self._error = error


def try_step(step: Callable[[], object]) -> bool:
    """Run a step. Return False if a server was away, or Postgres canceled a statement or resolved a deadlock."""
    try:
        step()
    except (InfrastructureError, psycopg.OperationalError) as error:
        _log.warning("sweep_skipped", error=str(error))
        return False
    return True
