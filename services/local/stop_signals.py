"""Ctrl-C, SIGTERM and SIGHUP set a flag, which the stack checks where it can stop cleanly."""

import signal
import threading
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """The user or the system asked the stack to stop."""


class StopFlag:
    """A context in which the signals set a flag instead of ending the process."""

    def __init__(self) -> None:
        self._received = threading.Event()

    def checkpoint(self) -> None:
        """Raise `StopRequested` if a signal has arrived."""
        if self._received.is_set():
            raise StopRequested

    def wait(self, seconds: float) -> None:
        """Sleep, but raise `StopRequested` as soon as a signal arrives."""
        self._received.wait(seconds)
        self.checkpoint()

    def __enter__(self) -> Self:
        self._previous = {
            number: signal.signal(number, lambda *_: self._received.set()) for number in _SIGNALS
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
