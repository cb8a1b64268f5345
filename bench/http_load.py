"""A small HTTP/1.1 load generator for loopback and JSON: keep-alive connections, unlimited or at a fixed rate.

Plain sockets and epoll, since its own work competes with the server's for the processors.
"""

import itertools
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import quantiles

_LENGTH, _END = b"content-length:", b"\r\n\r\n"
_ANSWERED_WITHIN_S = 60.0


@dataclass
class LoadResult:
    """The answers: seconds of each, and the number per status. `cpu_s` is what this generator itself used."""

    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.elapsed_s

    @property
    def p99_ms(self) -> float:
        return 1000 * quantiles(self.latencies_s, n=100)[98]

    def assert_only(self, status: int) -> "LoadResult":
        """Fail if any answer had another status."""
        assert set(self.statuses) == {status}, self.statuses
        return self


@dataclass
class _Caller:
    """One connection: when its open request was due, and what has come of the answer."""

    socket: socket.socket
    due_s: float = 0.0
    came: bytes = b""

    def send(self, request: bytes, due_s: float) -> None:
        self.due_s = due_s
        self.socket.sendall(request)

    def take_answer(self) -> int | None:
        """Read what came. Return the status once the answer is complete."""
        block = self.socket.recv(1 << 16)
        assert block, "the service closed a connection"
        self.came += block
        end = self.came.find(_END)
        if end < 0:
            return None
        head = self.came[:end].lower()
        length = int(head[head.index(_LENGTH) + len(_LENGTH) :].split(b"\r", 1)[0])
        if len(self.came) < end + len(_END) + length:
            return None
        self.came = b""
        return int(head[9:12])


def send_load(
    port: int,
    request: Callable[[int], bytes],
    *,
    seconds: float,
    connections: int,
    per_s: float | None = None,
    siblings: Sequence[int] = (),
) -> LoadResult:
    """Send `request(0)`, `request(1)` …; at a fixed rate, latencies count from when a request was due.

    `siblings` are ports of services that do the same: the connections are spread over all.
    """
    with ExitStack() as stack:
        ports = itertools.cycle((port, *siblings))
        callers = [
            _Caller(stack.enter_context(socket.create_connection(("127.0.0.1", next(ports)))))
            for _ in range(connections)
        ]
        for caller in callers:
            caller.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        before_s, began_s = time.process_time(), time.perf_counter()
        result = _send_all(callers, request, seconds, per_s)
        result.elapsed_s = time.perf_counter() - began_s
        result.cpu_s = time.process_time() - before_s
    return result


def get_request(path: str, key: str) -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


def post_request(path: str, key: str, body: str) -> bytes:
    """Return the bytes of a POST request with JSON."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _send_all(
    callers: Sequence[_Caller], request: Callable[[int], bytes], seconds: float, per_s: float | None
) -> LoadResult:
    result, free, sent = LoadResult(), deque(callers), 0
    by_file = {caller.socket.fileno(): caller for caller in callers}
    began_s = time.perf_counter()
    planned = int(seconds * per_s) if per_s else None
    with select.epoll() as epoll:
        for file in by_file:
            epoll.register(file, select.EPOLLIN)
        while True:
            now_s = time.perf_counter()
            while free and (due_s := _next_due(sent, began_s, seconds, per_s, now_s)) is not None:
                free.popleft().send(request(sent), due_s)
                sent += 1
            is_over = sent >= planned if planned is not None else now_s > began_s + seconds
            if is_over and len(free) == len(callers):
                return result
            for file, _ in _await_events(
                epoll, began_s + sent / per_s if per_s and free and not is_over else None
            ):
                caller = by_file[file]
                if (status := caller.take_answer()) is not None:
                    result.latencies_s.append(time.perf_counter() - caller.due_s)
                    result.statuses[status] = result.statuses.get(status, 0) + 1
                    free.append(caller)


def _next_due(sent: int, began_s: float, seconds: float, per_s: float | None, now_s: float) -> float | None:
    """Return when the next request is due, or None if that is later, or never."""
    if per_s is None:
        return now_s if now_s <= began_s + seconds else None
    due_s = began_s + sent / per_s
    return due_s if due_s <= now_s and sent < int(seconds * per_s) else None


def _await_events(epoll: select.epoll, until_s: float | None) -> list[tuple[int, int]]:
    """Wait for answers, but only until the next request is due."""
    if until_s is not None:
        return epoll.poll(max(0.0, until_s - time.perf_counter()))
    events = epoll.poll(_ANSWERED_WITHIN_S)
    assert events, "the service did not answer"
    return events
