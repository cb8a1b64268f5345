"""SIGTERM in order: first `/readyz` says no and the import ends with its chunk, a moment later the server closes."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from services.ingest.http.context import IngestContext

_NOTICE_S = 1.0  # for load balancers to look once more


@contextmanager
def announced_stop(context: IngestContext) -> Iterator[None]:
    """While the block runs in the main thread, delay the server's own handler of SIGTERM; elsewhere do nothing."""
    server_handler = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(server_handler):
        yield
        return
    loop = asyncio.get_running_loop()

    def announce(number: int, frame: FrameType | None) -> None:
        context.stopping = True
        context.importer.stop()
        loop.call_soon_threadsafe(loop.call_later, _NOTICE_S, _close, server_handler, number, frame)

    signal.signal(signal.SIGTERM, announce)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, server_handler)


def _close(handler: Callable[[int, FrameType | None], object], number: int, frame: FrameType | None) -> None:
    handler(number, frame)
