"""Stop an HTTP service in order: report not ready first, close connections a moment later."""

import asyncio
import signal
import threading
from collections.abc import Callable

import uvicorn

from shared.stop_signals import end_after, ignore_signals

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_NOTICE_S = 1.0  # lets load balancers check once more
_ENDS_WITHIN_S = 25.0  # 5 s before supervisors kill the process; reached only while a server is frozen


class Stopping:
    """The shutdown state: `requested` once a signal came, `closing` once open answers must end."""

    def __init__(self) -> None:
        self.requested = False
        self.closing = asyncio.Event()

    async def pause(self, seconds: float, until: asyncio.Event | None = None) -> bool:
        """Sleep for `seconds` or until the event. Return True if the connections must close now."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self.closing, until) if event is not None]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self.closing.is_set()


def announce_stop(stopping: Stopping, on_request: Callable[[], None] = lambda: None) -> None:
    """Handle SIGTERM and SIGINT instead of uvicorn. Call it in the event loop.

    Repeated signals are ignored, and the process exits with status 0. Does nothing if uvicorn does not run, as in tests.
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
        server.should_exit = (
            True  # as uvicorn's own handler does, but without raising the signal again at the end
        )

    # Do not use the loop's handlers: it restores the default action, so a repeated signal would kill the process.
    for number in _SIGNALS:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(announce))
