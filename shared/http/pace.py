"""How fast the other end of a connection sends a body and reads an answer. Slow ones are reported to the connection."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

# A body is measured over this period, without the parts in which this service did not read.
BODY_WINDOW_S = 20.0
_PARTS = 10
UNREAD_S = 30.0  # an answer is given up if nothing of it is read for this long


class BodyPace:
    """The pace of a body. A sender is not slow while this service itself does not read."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        flow: FlowControl,
        bytes_per_s: int,
        on_slow: Callable[[], None],
    ) -> None:
        self._loop, self._flow, self._on_slow = loop, flow, on_slow
        self._bytes_per_s = bytes_per_s
        self._timer: asyncio.TimerHandle | None = None
        self._came_bytes = 0  # in the current window
        self._read_parts = 0  # of the current window
        self._was_paused = False  # in the current part, this service did not read

    def begin(self) -> None:
        """Begin a window."""
        self._came_bytes = self._read_parts = 0
        self._begin_part()

    def count(self, received_bytes: int) -> None:
        """Count what has come."""
        self._came_bytes += received_bytes

    def note_pause(self) -> None:
        """Record whether this service reads now."""
        self._was_paused = self._was_paused or self._flow.read_paused

    def stop(self) -> None:
        """Stop measuring: the body has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def describe(self) -> str:
        """Return what is wrong with a slow body."""
        return (
            f"the body arrived with less than {self._bytes_per_s:,} bytes per second over {BODY_WINDOW_S:g} s:"
            " send it faster or split it"
        )

    def _begin_part(self) -> None:
        self._was_paused = self._flow.read_paused
        self.stop()
        self._timer = self._loop.call_later(BODY_WINDOW_S / _PARTS, self._end_part)

    def _end_part(self) -> None:
        self._read_parts += not (self._was_paused or self._flow.read_paused)
        if self._read_parts < _PARTS:
            self._begin_part()
        elif self._came_bytes >= self._bytes_per_s * BODY_WINDOW_S:
            self.begin()
        else:
            self._on_slow()


class ReaderPace:
    """The pace at which waiting parts of answers are read: any progress within `UNREAD_S` is enough."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, on_stuck: Callable[[], None]
    ) -> None:
        self._loop, self._transport, self._on_stuck = loop, transport, on_stuck
        self._timer: asyncio.TimerHandle | None = None
        self._unread_bytes = 0

    def begin(self) -> None:
        """Begin to watch: bytes wait for the reader."""
        self._unread_bytes = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(UNREAD_S, self._look)

    def stop(self) -> None:
        """Stop watching: enough was read, or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._transport.get_write_buffer_size() < self._unread_bytes:
            self.begin()
        else:
            self._on_stuck()
