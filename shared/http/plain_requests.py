"""The short way for plain requests: POST with a complete small body, whose head leaves nothing to interpret.

h11 takes most of the time of such a call (measured). It reads everything that is not plain, so all of HTTP's rules stay
with it: what is taken here, h11 reads alike (`tests/property/test_plain_requests.py`).
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from uvicorn._types import ASGISendEvent, HTTPScope
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle

MAX_PLAIN_BYTES: Final = 32 << 10  # head and body together
_END = b"\r\n\r\n"
_HEAD = re.compile(
    rb"POST (/[!-~]*) HTTP/1\.1\r\n((?:[-!#$%&'*+.^_`|~0-9A-Za-z]{1,100}:[ -~]*\r\n){1,64})\r\n"
)
# With these, a body is framed in another way, or more than one answer is expected.
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"connection", b"expect", b"upgrade"})
_LENGTH_DIGITS: Final = 5
_WITHOUT_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class PlainRequest:
    """A whole request. Names of headers are in lower case."""

    target: bytes
    headers: Pairs
    body: bytes


def read_plain(data: bytes) -> PlainRequest | None:
    """Return the request if these bytes are a plain one and nothing more; None to leave them to h11."""
    if len(data) > MAX_PLAIN_BYTES or (head := _HEAD.match(data)) is None:
        return None
    headers = []
    for line in head[2].split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip(b" ")))
    given = dict(headers)
    length = given.get(b"content-length", b"")
    if len(given) < len(headers) or b"host" not in given or not _NOT_PLAIN.isdisjoint(given):
        return None
    if not length.isdigit() or len(length) > _LENGTH_DIGITS or int(length) != len(data) - head.end():
        return None
    return PlainRequest(head[1], headers, data[head.end() :])


def plain_scope(request: PlainRequest, protocol: H11Protocol) -> HTTPScope:
    """Return the request's ASGI scope, as uvicorn makes it."""
    raw_path, _, query = request.target.partition(b"?")
    root_path = protocol.root_path
    return {
        "type": "http",
        "asgi": {"version": protocol.asgi_version, "spec_version": "2.3"},
        "http_version": "1.1",
        "server": protocol.server,
        "client": protocol.client,
        "scheme": protocol.scheme or "http",
        "method": "POST",
        "root_path": root_path,
        "path": root_path + unquote(raw_path.decode("ascii")),
        "raw_path": root_path.encode("ascii") + raw_path,
        "query_string": query,
        "headers": request.headers,
        "state": protocol.app_state.copy(),
    }


class PlainCycle(RequestResponseCycle):
    """The answer to a plain request, written without h11: head and body together if the length is known."""

    _head = b""
    _is_chunked = False
    _closes = False

    async def send(self, message: ASGISendEvent) -> None:
        """Take one message of the application."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self._begin(message["status"], [*self.default_headers, *message.get("headers", [])])
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            self._write(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"the message {message['type']} does not belong here")

    def _begin(self, status: int, headers: Pairs) -> None:
        self.response_started = True
        names = {name.lower() for name, _ in headers}
        self._closes = CLOSE_HEADER in headers
        self._is_chunked = b"content-length" not in names and status not in _WITHOUT_BODY
        if self._is_chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        lines = [b"%b: %b" % pair for pair in headers]
        head = b"\r\n".join((b"HTTP/1.1 %d %b" % (status, STATUS_PHRASES[status]), *lines))
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("a header of an answer has a line end")
        self._head = head + _END
        if self._is_chunked:  # what follows may take its time
            self.transport.write(self._head)
            self._head = b""

    def _write(self, body: bytes, *, is_last: bool) -> None:
        if self._is_chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"0\r\n\r\n" if is_last else b"")
        self.transport.write(self._head + body)
        self._head = b""
        if is_last:
            self.response_complete = True
            self.message_event.set()
            if self._closes or not self.keep_alive:
                self.transport.close()
            self.on_response()
