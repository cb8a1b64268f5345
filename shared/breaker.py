"""A circuit breaker: after a few failures in a row it refuses calls, except for a probe now and then."""

import threading
import time
from collections.abc import Callable

import structlog

_log = structlog.get_logger()


class Breaker:
    """Call `admits` before each call to the server, and `succeeded` or `failed` after it. Thread-safe.

    A closed breaker admits every call. After `failures` failures in a row it opens and admits one call every `pause_s`
    seconds. The first success closes it. A call that never reports its result blocks no other: the next probe is due
    after the pause.
    """

    def __init__(
        self,
        server: str,
        *,
        failures: int = 3,
        pause_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._most_failures, self._pause_s = server, failures, pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._probe_at_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are being refused, except for probes."""
        return self._failures >= self._most_failures

    def admits(self) -> bool:
        """Return whether to make a call now."""
        with self._lock:
            if not self.is_open:
                return True
            now_s = self._clock()
            if now_s < self._probe_at_s:
                return False
            self._probe_at_s = now_s + self._pause_s
            return True

    def succeeded(self) -> None:
        """Note that the server answered."""
        with self._lock:
            was_open, self._failures = self.is_open, 0
        if was_open:
            _log.info("breaker_closed", server=self._server)

    def failed(self) -> None:
        """Note that the server did not answer, or refused to work."""
        with self._lock:
            was_open = self.is_open
            self._failures += 1
            self._probe_at_s = self._clock() + self._pause_s
            opens = self.is_open and not was_open
        if opens:
            _log.warning("breaker_opened", server=self._server, failures=self._failures)
