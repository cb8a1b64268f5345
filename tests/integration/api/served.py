"""An application of a few lines behind the connections of the services, and a client that speaks bytes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

import uvicorn
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from shared.http.connection import PatientProtocol
from shared.http.crowd import Crowd
from shared.http.edge_limits import EdgeLimits
from tests.fixtures.services import wait_until

_PATIENCE_S = 20
BIG = 8 << 20


class Application:
    """`/read` admits and reads, `/listen` only reads, `/refuse` reads nothing, `/hold` admits and waits, `/big` sends a lot."""

    def __init__(self, edge: EdgeLimits) -> None:
        self.edge = edge
        self.ended: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        path = scope["path"]
        if path in ("/read", "/hold"):
            scope["state"]["connection"].admit()
        try:
            size = 0
            if path in ("/read", "/hold", "/listen"):
                size = await self._read(receive)
            if path == "/hold":
                await receive()  # until the other end leaves
            status = 401 if path == "/refuse" else 200
            await self._say(send, status, b"x" * BIG if path == "/big" else str(size).encode())
        except HTTPException as error:
            await self._say(send, error.status_code, error.detail.encode())
        finally:
            self.ended.append(path)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scope["state"]["edge"] = self.edge
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @staticmethod
    async def _read(receive: Receive) -> int:
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        return size

    @staticmethod
    async def _say(send: Send, status: int, body: bytes) -> None:
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


class Served:
    """One server; `open` makes a connection to it."""

    def __init__(self, app: Application, crowd: Crowd, port: int, stack: ExitStack) -> None:
        self.app, self.crowd = app, crowd
        self._port, self._stack = port, stack

    def open(self, request: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE_S)
        self._stack.enter_context(made)
        made.sendall(request)
        return made

    def ask(self, request: bytes) -> "Answer":
        return answer(self.open(request))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def answer(asked: socket.socket) -> Answer:
    """One answer, and not a byte of the next."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = asked.recv(1)
        assert byte, head
        head += byte
    first, _, rest = head.partition(b"\r\n")
    headers = message_from_bytes(rest)
    size, body = int(headers["content-length"]), b""
    while len(body) < size and (block := asked.recv(size - len(body))):
        body += block
    return Answer(int(first.split()[1]), headers, body)


def is_closed(asked: socket.socket) -> bool:
    try:
        return asked.recv(1 << 20) == b""
    except ConnectionResetError:
        return True


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def serving(edge: EdgeLimits = EdgeLimits(), most: int | None = None) -> Iterator[Served]:  # noqa: B008
    app, crowd = Application(edge), Crowd()
    protocol = type("Protocol", (PatientProtocol,), {"crowd": crowd})
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        limit_concurrency=most,
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: server.started, "the server")
        with ExitStack() as stack:
            yield Served(app, crowd, listening.getsockname()[1], stack)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
