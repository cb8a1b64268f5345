"""Starts an HTTP service with the limits that keep it answering: the one place that knows how uvicorn is to run."""

import argparse
import asyncio
import resource
from typing import ClassVar

import h11
import structlog
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.errors import ConfigurationError, Overloaded
from shared.http.headers import SECURITY_HEADERS
from shared.http.problems import BAD_REQUEST, PROBLEMS, RETRY_AFTER_S, problem_response
from shared.stop_signals import leave_when_asked
from shared.telemetry import configure_logging

_HEADER_BYTES = 32 << 10  # request line and headers together
_HEADER_S = 10.0
_SILENT_BODY_S = 20.0
_KEEP_ALIVE_S = 15
_CONNECTIONS = 4096
_WITHOUT_REQUEST = 1024
_ANSWERS_END_WITHIN_S = 20
_FILES = 65_536


class PatientProtocol(H11Protocol):
    """uvicorn waits for a request's headers and body for ever; this gives a slow sender so long and no longer.

    What uvicorn refuses before the application sees it is problem+json here like every other error.
    Of the connections that have not sent a request yet the oldest makes room: a client that wants something asks at once.
    """

    without_request: ClassVar[dict["PatientProtocol", None]] = {}  # in the order of their coming
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Take a connection, and give the oldest silent one up if there are too many."""
        super().connection_made(transport)
        self.limit_concurrency = None  # uvicorn's own refusal is plain text; see data_received
        self._expect_within(_HEADER_S)
        self.without_request[self] = None
        if len(self.without_request) > _WITHOUT_REQUEST:
            oldest = next(iter(self.without_request))
            del self.without_request[oldest]
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and say until when the next must come."""
        most = self.config.limit_concurrency
        is_one_too_many = most is not None and len(self.connections) > most
        self.app = _too_many_connections if is_one_too_many else self.config.loaded_app
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.IDLE:  # no request, or a part of its headers; for those the time goes on
            if self._deadline is None and self.conn.trailing_data[0]:
                self._expect_within(_HEADER_S)
            return
        self.without_request.pop(self, None)
        self._stop_waiting()
        if state is h11.SEND_BODY:
            self._expect_within(_SILENT_BODY_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.without_request.pop(self, None)
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no HTTP request, and hang up."""
        answer = problem_response(BAD_REQUEST, msg, headers={**SECURITY_HEADERS, "Connection": "close"})
        head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    def _expect_within(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if (
            self.flow.read_paused
        ):  # it is we who do not read: the disk, or the database, is slower than the sender
            self._expect_within(_SILENT_BODY_S)
        else:
            self.transport.abort()


async def _too_many_connections(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request while more connections are open than the service holds."""
    headers = {**SECURITY_HEADERS, "Connection": "close", "Retry-After": RETRY_AFTER_S}
    answer = problem_response(
        PROBLEMS[Overloaded], "too many connections are open; try again", headers=headers
    )
    await answer(scope, receive, send)


def serve(service: str, factory: str, default_port: int) -> None:
    """Run until SIGTERM. Ends with status 1 and a logged reason when the settings cannot be worked with."""
    configure_logging(service, "INFO")
    arguments = _arguments(service, default_port)
    _allow_open_files()
    leave_when_asked()
    try:
        uvicorn.run(
            factory,
            factory=True,
            host=arguments.host,
            port=arguments.port,
            workers=arguments.workers,
            http=PatientProtocol,
            h11_max_incomplete_event_size=_HEADER_BYTES,
            limit_concurrency=arguments.connections,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=arguments.stop_within,
            server_header=False,
            log_config=None,
            access_log=False,  # shared/http/observe.py writes the line of a request
        )
    except ConfigurationError as error:
        structlog.get_logger().error("cannot_run", error=str(error))
        raise SystemExit(1) from None


def _arguments(service: str, default_port: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Uptill's {service} service; settings come from UPTILL_*.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=default_port)
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")
    parser.add_argument(
        "--connections",
        type=int,
        default=_CONNECTIONS,
        help="open connections of one process, with or without a request; beyond them a request gets 503",
    )
    parser.add_argument(
        "--stop-within",
        type=int,
        default=_ANSWERS_END_WITHIN_S,
        help="seconds for answers that are under way",
    )
    return parser.parse_args()


def _allow_open_files() -> None:
    """Each connection is a file; the usual soft limit of 1024 is there for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
