"""Stopping an HTTP service in order: first it says that it is not ready, a moment later it ends its connections."""

import asyncio
import signal
import threading
from collections.abc import Callable

import uvicorn

from shared.stop_signals import end_after, ignore_signals

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_NOTICE_S = 1.0  # for load balancers to look once more
_ENDS_WITHIN_S = 25.0  # 5 s before supervisors kill the process; reached only while a server is frozen


class Stopping:
    """Where the stop of this process is: not `requested`, requested, or `closing`, when no answer may wait any longer."""

    def __init__(self) -> None:
        self.requested = False
        self.closing = asyncio.Event()

    async def pause(self, seconds: float, until: asyncio.Event | None = None) -> bool:
        """Sleep, at most until the event; return early, and true, when the connections are to end."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self.closing, until) if event is not None]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self.closing.is_set()


def announce_stop(stopping: Stopping, on_request: Callable[[], None] = lambda: None) -> None:
    """Take SIGTERM and SIGINT over from uvicorn's command, until the process ends. Call it in the event loop.

    A repeated signal changes nothing. The process ends with status 0, as it did what it was asked to do. Where no such
    server runs, as in a test, nothing is taken over.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if threading.current_thread() is not threading.main_thread() or not isinstance(server, uvicorn.Server):
        return
    loop = asyncio.get_running_loop()

    def announce() -> None:
        if not stopping.requested:
            stopping.requested = True
            threading.Thread(target=end_after, args=[_ENDS_WITHIN_S], name="stop-limit", daemon=True).start()
            on_request()
            loop.call_later(_NOTICE_S, close)

    def close() -> None:
        stopping.closing.set()
        ignore_signals()
        server.should_exit = True  # what uvicorn's own handler does, but for repeating the signal at the end

    # Not the loop's own handlers: it gives a signal back to the system's default, with which a repeat ends the process.
    for number in _SIGNALS:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(announce))
