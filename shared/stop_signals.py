"""Being asked to stop: SIGTERM, SIGINT and SIGHUP, once. A repeat changes nothing.

A signal to a whole process group, or a supervisor that passes on what its child got already, brings the same one twice.
"""

import atexit
import signal
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def leave_when_asked() -> None:
    """End with status 0 at SIGTERM or SIGINT, until a server takes them over and after it has given them back."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    atexit.register(_ignore)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _ignore() -> None:
    """The interpreter takes handlers away before it ends, and a repeat would end it in the place of its status."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class StopSignals:
    """Takes over the signals of this process; must be made in the main thread."""

    def __init__(self) -> None:
        self.requested = False
        # A handler runs wherever the main thread is, be it inside a lock: of all queues and events only this one's
        # `put` is allowed there.
        self._asked: SimpleQueue[int] = SimpleQueue()
        for number in _SIGNALS:
            signal.signal(number, lambda number, _frame: self._ask(number))
        atexit.register(_ignore)

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether the process was asked to stop; at the latest after `seconds`."""
        if not self.requested:
            with suppress(Empty):
                self._asked.get(timeout=seconds)
        return self.requested

    def _ask(self, number: int) -> None:
        self.requested = True
        self._asked.put(number)
