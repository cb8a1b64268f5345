"""The HTTP protocol of a service: deadlines for slow peers before, during and after a request.

uvicorn waits forever for headers, bodies and readers, and buffers a body before the application asks for it.
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import ClassVar, cast

import h11
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from shared.http import pace
from shared.http.crowd import Crowd, Turn
from shared.http.edge_limits import EdgeLimits, refuse_connection
from shared.http.framing import UNSAFE_TRANSFER, is_framed_once
from shared.http.headers import SECURITY_HEADERS
from shared.http.plain_protocol import PlainProtocol
from shared.http.plain_requests import PlainRequest
from shared.http.problems import BAD_REQUEST, problem_response

HEADER_S = 10.0
LINGER_S = 2.0
_BUFFER = memoryview(bytearray(64 << 10))  # shared: what is received is taken out at once
_ANSWERED_ALWAYS = frozenset({"/livez", "/readyz"})
_KEYS = frozenset({b"authorization", b"x-api-key"})


class PatientProtocol(PlainProtocol, asyncio.BufferedProtocol):
    """Limit the time for slow senders and readers, and the room for strangers.

    Requests refused before the application sees them get problem+json, like every other error.
    """

    crowd: ClassVar[Crowd] = Crowd()
    _deadline: asyncio.TimerHandle | None = None
    _is_admitted = False
    _is_too_slow = False
    _is_lingering = False
    _address: str | None = None
    _turn: Turn | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Add a connection; others may be dropped for it."""
        super().connection_made(transport)
        self.limit_concurrency = None  # uvicorn's own refusal would be plain text; see _answer
        self._limits: EdgeLimits = self.app_state.get("edge") or EdgeLimits()
        self._body_pace = pace.BodyPace(
            self.loop, self.flow, self._limits.body_bytes_per_s, self._refuse_slow_body
        )
        self._reader_pace = pace.ReaderPace(self.loop, transport, self.drop)
        self._address = self._limits.counted_as(self.client[0]) if self.client else None
        self._expect_within(HEADER_S)
        self.crowd.enter(
            self, self._address, self._limits.connections_per_address, self.config.limit_concurrency
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer to receive into."""
        del sizehint
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Handle received bytes."""
        self.data_received(bytes(_BUFFER[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Handle received bytes and set the deadline for the next."""
        if self._is_lingering:
            return
        self._body_pace.count(len(data))
        super().data_received(data)
        if self._is_lingering or self.transport.is_closing():
            return
        state = self.conn.their_state
        if state is h11.IDLE:  # no request yet, or part of its headers: their deadline continues
            if self._deadline is None and self.conn.trailing_data[0]:
                self._expect_within(HEADER_S)
        elif state is h11.SEND_BODY:
            self._body_pace.note_pause()
        else:
            self._stop_waiting()

    def handle_events(self) -> None:
        """Check the raw headers before h11 parses them, and hold the body back until the application asks for it."""
        if self.conn.their_state is h11.IDLE and not is_framed_once(self.conn.trailing_data[0]):
            self.send_400_response(UNSAFE_TRANSFER)
            return
        before = self.cycle
        self.app = self._answer
        super().handle_events()
        if self.cycle is not before:
            self.crowd.speak(self)
            self._stop_waiting()
            if self.conn.their_state is h11.SEND_BODY:
                self.flow.pause_reading()  # `receive` resumes it once the caller is known
                self._body_pace.begin()

    def serve_plain(self, request: PlainRequest) -> None:
        """Begin to answer a request that is there as a whole."""
        self.app = self._answer
        super().serve_plain(request)
        self.crowd.speak(self)
        self._stop_waiting()

    def admit(self) -> None:
        """Record that a valid key or signature arrived on this connection. The application calls this."""
        if self._turn is not None:
            self._turn.admit()
        if not self._is_admitted:
            self._is_admitted = True
            self.crowd.admit(self, self._address)

    def on_response_complete(self) -> None:
        """Wait for the next request or the end of the connection."""
        if self._is_lingering:
            return
        self._stop_waiting()
        if self._is_admitted:
            self.crowd.rest(self)
        super().on_response_complete()
        if self.transport.is_closing():  # once what is written is read
            self._expect_within(pace.UNREAD_S)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if its last answer is not read."""
        super().timeout_keep_alive_handler()
        self._expect_within(pace.UNREAD_S)

    def pause_writing(self) -> None:
        """Start the deadline for a slow reader."""
        super().pause_writing()
        self.crowd.stick(self)
        self._reader_pace.begin()

    def resume_writing(self) -> None:
        """Stop the deadline for a slow reader."""
        super().resume_writing()
        self.crowd.flow(self)
        self._reader_pace.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection and stop its timers."""
        self.crowd.leave(self, self._address)
        self._stop_waiting()
        self._reader_pace.stop()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close now: room is needed, or the peer is too slow."""
        self.crowd.leave(self, self._address)
        self.transport.abort()

    def linger(self) -> None:
        """Close once the answer is read. Closing with unread bytes would make the kernel discard the answer."""
        self._is_lingering = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            with suppress(OSError):  # the caller may be gone already
                self.transport.write_eof()
        self._expect_within(LINGER_S)

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not an HTTP request, and close."""
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

        names = (name for name, _ in scope["headers"])
        is_stranger = not self._is_admitted and _KEYS.isdisjoint(names)
        self._turn = turn = Turn(self.crowd, is_needed=is_stranger and scope["path"] not in _ANSWERED_ALWAYS)

        async def receive_in_time() -> Message:
            turn.end()  # a body may arrive slowly
            message = await receive()
            if self._is_too_slow:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, self._body_pace.describe())
            if message["type"] == "http.request" and not message.get("more_body"):
                await turn.begin()
            return message

        async def send_and_hang_up(message: Message) -> None:
            turn.end()  # the rest may wait for a reader
            if message["type"] == "http.response.start":
                body_is_unread = self.conn.their_state is h11.SEND_BODY
                # A stranger gets one request per connection: many unread answers would keep the loop busy.
                if body_is_unread or not self._is_admitted:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
                    cycle.transport = cast("asyncio.Transport", _Closing(self))
            await send(message)

        most = self.config.limit_concurrency
        is_one_too_many = most is not None and len(self.crowd) > most and not self._is_admitted
        refused = is_one_too_many and scope["path"] not in _ANSWERED_ALWAYS
        app = refuse_connection if refused else self.config.loaded_app
        await turn.begin()
        try:
            await app(scope, receive_in_time, send_and_hang_up)
        finally:
            turn.end()

    def _refuse_slow_body(self) -> None:
        if self.cycle.response_started or self._is_too_slow:
            self.drop()
        else:
            self._is_too_slow = True
            self.cycle.message_event.set()
            self._expect_within(pace.UNREAD_S)  # time for the route to ask for the body again

    def _expect_within(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self.drop)

    def _stop_waiting(self) -> None:
        self._body_pace.stop()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Closing:
    """A transport for answers to requests whose body was not read. Closing it lingers first."""

    def __init__(self, connection: PatientProtocol) -> None:
        self._connection = connection
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing

    def close(self) -> None:
        self._connection.linger()
