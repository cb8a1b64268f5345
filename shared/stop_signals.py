"""Being asked to stop: SIGTERM, SIGINT and SIGHUP, once. A repeat changes nothing.

A signal to a whole process group, or a supervisor that passes on what its child got already, brings the same one twice.
"""

import atexit
import os
import select
import signal
import socket
import threading
import time
from types import FrameType

import structlog

_log = structlog.get_logger()
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_asked: list[int] = []


def leave_when_asked() -> None:
    """End with status 0 at the first SIGTERM or SIGINT, unless a server takes them over."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    atexit.register(ignore_signals)


def ignore_signals() -> None:
    """Let no signal do anything any more, also where a server gives the handlers back that it found.

    The interpreter takes handlers away before it ends, and a repeat would end it in the place of its status.
    """
    _asked.append(0)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _leave(number: int, _frame: FrameType | None) -> None:
    if not _asked:  # a repeat must not break off what the first has begun
        _asked.append(number)
        raise SystemExit(0)


class StopSignals:
    """Takes over the signals of this process; must be made in the main thread."""

    def __init__(self) -> None:
        self.requested = False
        # A thread that starts another one at that moment may take the signal in the main thread's place, which then
        # sleeps on: only this socket wakes it. It is never read, as nothing comes after the first signal.
        self._woken, self._wakes = socket.socketpair()
        self._wakes.settimeout(0)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._ask)
        atexit.register(ignore_signals)

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether the process was asked to stop; at the latest after `seconds`."""
        if not self.requested:
            select.select([self._woken], [], [], seconds)
        return self.requested

    def end_within(self, seconds: float) -> None:
        """End this process at the latest `seconds` after it was asked to stop, whatever still waits for a frozen server."""

        def watch() -> None:
            select.select([self._woken], [], [])
            end_after(seconds)

        threading.Thread(target=watch, name="stop-limit", daemon=True).start()

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True


def end_after(seconds: float) -> None:
    """Wait that long and end the process at once, with status 0. Run it in a daemon thread, once the stop was asked for.

    A thread that waits for a frozen server cannot be ended. Nothing is lost: all that counts is committed, or done again.
    """
    time.sleep(seconds)
    _log.warning("stop_cut_short", after_s=seconds)
    os._exit(0)
