"""Being asked to stop: SIGTERM, SIGINT and SIGHUP, once. A repeat changes nothing.

A signal to a whole process group, or a supervisor that passes on what its child got already, brings the same one twice.
"""

import signal
from contextlib import suppress
from queue import Empty, SimpleQueue

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Takes over the signals of this process; must be made in the main thread."""

    def __init__(self) -> None:
        self.requested = False
        # A handler runs wherever the main thread is, be it inside a lock: of all queues and events only this one's
        # `put` is allowed there.
        self._asked: SimpleQueue[int] = SimpleQueue()
        for number in _SIGNALS:
            signal.signal(number, lambda number, _frame: self._ask(number))

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether the process was asked to stop; at the latest after `seconds`."""
        if not self.requested:
            with suppress(Empty):
                self._asked.get(timeout=seconds)
        return self.requested

    def _ask(self, number: int) -> None:
        self.requested = True
        self._asked.put(number)
