"""One connection of an HTTP service: what its other end may do before, while and after a request is answered.

uvicorn waits for headers, bodies and readers for ever, and buffers a body before anybody asked for it.
"""

import asyncio
import re
from http import HTTPStatus
from typing import ClassVar, cast

import h11
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.errors import Overloaded
from shared.http.crowd import Crowd
from shared.http.edge_limits import EdgeLimits
from shared.http.headers import SECURITY_HEADERS
from shared.http.problems import BAD_REQUEST, PROBLEMS, RETRY_AFTER_S, problem_response

HEADER_S = 10.0
BODY_WINDOW_S = 20.0  # the pace of a body is measured over this, not counting parts in which we did not read
_PARTS = 10
UNREAD_S = 30.0  # an answer of which nothing is read for so long is given up
LINGER_S = 2.0
_BUFFER = memoryview(bytearray(64 << 10))  # shared: what is received is taken out at once
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length[ \t]*:([^\n]*)")
_CODING = re.compile(rb"\ntransfer-encoding[ \t]*:")
_ANSWERED_ALWAYS = frozenset({"/livez", "/readyz"})
_KEYS = frozenset({b"authorization", b"x-api-key"})
_SAFE_TRANSFER = "a request has one Content-Length or one Transfer-Encoding, and not both"


class PatientProtocol(H11Protocol, asyncio.BufferedProtocol):
    """Gives slow senders and readers so long and no longer, and strangers no room that a caller needs.

    What is refused before the application sees it is problem+json here like every other error.
    """

    crowd: ClassVar[Crowd] = Crowd()
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _unread_bytes = 0
    _came_bytes = 0  # in the present window
    _read_parts = 0  # of the present window
    _was_paused = False  # in the present part: it was us who did not read
    _is_admitted = False
    _is_too_slow = False
    _is_lingering = False
    _address: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Take a connection; others may have to make room."""
        super().connection_made(transport)
        self.limit_concurrency = None  # uvicorn's own refusal is plain text; see data_received
        self._limits: EdgeLimits = self.app_state.get("edge") or EdgeLimits()
        self._address = self._limits.counted_as(self.client[0]) if self.client else None
        self._expect_within(HEADER_S)
        self.crowd.enter(
            self, self._address, self._limits.connections_per_address, self.config.limit_concurrency
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where bytes are to be received."""
        del sizehint
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was received."""
        self.data_received(bytes(_BUFFER[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take bytes, and say until when the next must come."""
        if self._is_lingering:
            return
        self._came_bytes += len(data)
        super().data_received(data)
        if self._is_lingering or self.transport.is_closing():
            return
        state = self.conn.their_state
        if state is h11.IDLE:  # no request, or a part of its headers; for those the time goes on
            if self._deadline is None and self.conn.trailing_data[0]:
                self._expect_within(HEADER_S)
        elif state is h11.SEND_BODY:
            self._was_paused = self._was_paused or self.flow.read_paused
        else:
            self._stop_waiting()

    def handle_events(self) -> None:
        """Look at the headers as they came before h11 makes sense of them, and hold a body back until it is asked for."""
        if self.conn.their_state is h11.IDLE and not _is_framed_once(self.conn.trailing_data[0]):
            self.send_400_response(_SAFE_TRANSFER)
            return
        before = self.cycle
        self.app = self._answer
        super().handle_events()
        if self.cycle is not before:
            self.crowd.speak(self)
            self._stop_waiting()
            if self.conn.their_state is h11.SEND_BODY:
                self.flow.pause_reading()  # `receive` goes on: once the caller is known
                self._begin_window()

    def admit(self) -> None:
        """Note that a valid key came on this connection. The application says so."""
        if not self._is_admitted:
            self._is_admitted = True
            self.crowd.admit(self, self._address)

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the connection's end."""
        if self._is_lingering:
            return
        self._stop_waiting()
        if self._is_admitted:
            self.crowd.rest(self)
        super().on_response_complete()
        if self.transport.is_closing():  # once what is written is read
            self._expect_within(UNREAD_S)

    def timeout_keep_alive_handler(self) -> None:
        """End a connection without a further request, also if its last answer is not read."""
        super().timeout_keep_alive_handler()
        self._expect_within(UNREAD_S)

    def pause_writing(self) -> None:
        """Begin to wait for a reader."""
        super().pause_writing()
        self.crowd.stick(self)
        self._watch_reader()

    def resume_writing(self) -> None:
        """Go on to write."""
        super().resume_writing()
        self.crowd.flow(self)
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.crowd.leave(self, self._address)
        self._stop_waiting()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close now: the room is needed, or the other end too slow."""
        self.crowd.leave(self, self._address)
        self.transport.abort()

    def linger(self) -> None:
        """Close once the answer is read: unread bytes of a request would make the system drop the answer."""
        self._is_lingering = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._expect_within(LINGER_S)

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no HTTP request, and hang up."""
        answer = problem_response(BAD_REQUEST, msg, headers={**SECURITY_HEADERS, "Connection": "close"})
        head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.linger()

    def _should_upgrade(self) -> bool:
        return False  # no route is a WebSocket; uvicorn would log two lines

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle = self.cycle
        scope["state"]["connection"] = self

        async def receive_in_time() -> Message:
            message = await receive()
            if self._is_too_slow:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, self._too_slow())
            return message

        waits = scope["path"] not in _ANSWERED_ALWAYS and _KEYS.isdisjoint(
            name for name, _ in scope["headers"]
        )

        def let_the_next_in() -> None:
            nonlocal waits
            if waits:
                waits = False
                self.crowd.end_turn()

        async def send_and_hang_up(message: Message) -> None:
            let_the_next_in()  # what follows may wait for a reader
            if message["type"] == "http.response.start":
                body_is_unread = self.conn.their_state is h11.SEND_BODY
                # A stranger's connection serves one request: many that nobody reads would keep the loop busy.
                if body_is_unread or not self._is_admitted:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
                    cycle.transport = cast("asyncio.Transport", _Closing(self))
            await send(message)

        most = self.config.limit_concurrency
        is_one_too_many = most is not None and len(self.crowd) > most and not self._is_admitted
        refused = is_one_too_many and scope["path"] not in _ANSWERED_ALWAYS
        app = _too_many_connections if refused else self.config.loaded_app
        if waits:
            await self.crowd.take_turn()
        try:
            await app(scope, receive_in_time, send_and_hang_up)
        finally:
            let_the_next_in()

    def _too_slow(self) -> str:
        pace = self._limits.body_bytes_per_s
        return f"a body must come with {pace:,} bytes a second at least, over each {BODY_WINDOW_S:g} s"

    def _begin_window(self) -> None:
        self._came_bytes = self._read_parts = 0
        self._begin_part()

    def _begin_part(self) -> None:
        self._was_paused = self.flow.read_paused
        self._stop_waiting()
        self._deadline = self.loop.call_later(BODY_WINDOW_S / _PARTS, self._end_part)

    def _end_part(self) -> None:
        """A sender is not slow while it is we who do not read: the disk, or the database, is slower."""
        self._read_parts += not (self._was_paused or self.flow.read_paused)
        if self._read_parts < _PARTS:
            self._begin_part()
        elif self._came_bytes >= self._limits.body_bytes_per_s * BODY_WINDOW_S:
            self._begin_window()
        elif self.cycle.response_started or self._is_too_slow:
            self.drop()
        else:
            self._is_too_slow = True
            self.cycle.message_event.set()
            self._expect_within(UNREAD_S)  # for whatever the route does before it asks for the body again

    def _watch_reader(self) -> None:
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(UNREAD_S, self._give_reader_up)

    def _give_reader_up(self) -> None:
        if self.transport.get_write_buffer_size() < self._unread_bytes:
            self._watch_reader()
        else:
            self.drop()

    def _expect_within(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self.drop)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Closing:
    """A transport for the answer to a request whose body was not read: its end is `linger`."""

    def __init__(self, connection: PatientProtocol) -> None:
        self._connection = connection
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing

    def close(self) -> None:
        self._connection.linger()


def _is_framed_once(received: bytes) -> bool:
    """Whether the headers, as far as they came, say at most once how long the body is: or a proxy may read it otherwise."""
    end = _BLANK_LINE.search(received)
    head = received[: end.start() + 1 if end else None].lower()
    lengths = b",".join(_LENGTH.findall(head))
    return bool(lengths) + len(_CODING.findall(head)) <= 1 and b"," not in lengths


async def _too_many_connections(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request while more connections are open than the service holds."""
    headers = {**SECURITY_HEADERS, "Connection": "close", "Retry-After": RETRY_AFTER_S}
    answer = problem_response(
        PROBLEMS[Overloaded], "too many connections are open; try again", headers=headers
    )
    await answer(scope, receive, send)
