"""Stop at SIGTERM, SIGINT or SIGHUP. A repeated signal changes nothing.

The same signal may come twice: to the whole process group, or from a supervisor that forwards it.
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
    """Exit with status 0 at the first SIGTERM or SIGINT, unless a server installs its own handlers."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_once)
    atexit.register(ignore_signals)


def ignore_signals() -> None:
    """Ignore all further signals, even if a server restores the handlers that it found.

    The interpreter removes handlers before it exits. A repeated signal would then kill it and change its exit status.
    """
    _asked.append(0)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _exit_once(number: int, _frame: FrameType | None) -> None:
    # A repeat must not interrupt what the first has begun.
    if not _asked:
        _asked.append(number)
        raise SystemExit(0)


class ShutdownSignals:
    """Handles the stop signals of this process. Create it in the main thread."""

    def __init__(self) -> None:
        self.requested = False
        # Another thread may receive the signal instead of the main thread, which then keeps sleeping. This socket wakes
        # it. It is never read, because nothing follows the first signal.
        self._woken, self._wakes = socket.socketpair()
        self._wakes.settimeout(0)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._request_stop)
        atexit.register(ignore_signals)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait up to `seconds` for a stop signal, and return whether there was one."""
        if not self.requested:
            select.select([self._woken], [], [], seconds)
        return self.requested

    def end_within(self, seconds: float) -> None:
        """End this process at most `seconds` after it was asked to stop, even if a thread waits for a frozen server."""

        def watch() -> None:
            select.select([self._woken], [], [])
            end_after(seconds)

        threading.Thread(target=watch, name="stop-limit", daemon=True).start()

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True


def end_after(seconds: float) -> None:
    """Wait that long and end the process at once, with status 0. Run it in a daemon thread, once the stop was asked for.

    A thread that waits for a frozen server cannot be ended. Nothing is lost: all that counts is committed, or done again.
    """
    time.sleep(seconds)
    _log.warning("stop_cut_short", after_s=seconds)
    os._exit(0)
