"""A small HTTP/1.1 load generator for loopback and JSON: keep-alive connections, unlimited or at a fixed rate."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from statistics import quantiles

_LENGTH = b"content-length:"


@dataclass
class Outcome:
    """The answers: seconds of each, and the number per status."""

    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.elapsed_s

    @property
    def p99_ms(self) -> float:
        return 1000 * quantiles(self.latencies_s, n=100)[98]

    def assert_only(self, status: int) -> "Outcome":
        """Fail if any answer had another status."""
        assert set(self.statuses) == {status}, self.statuses
        return self


def send(
    port: int,
    request: Callable[[int], bytes],
    *,
    seconds: float,
    connections: int,
    per_s: float | None = None,
) -> Outcome:
    """Send `request(0)`, `request(1)` …; at a fixed rate, latencies count from when a request was due."""
    return asyncio.run(_send(port, request, seconds, connections, per_s))


def get(path: str, key: str) -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


def post(path: str, key: str, body: str) -> bytes:
    """Return the bytes of a POST request with JSON."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def _send(
    port: int, request: Callable[[int], bytes], seconds: float, connections: int, per_s: float | None
) -> Outcome:
    outcome = Outcome()
    numbers = iter(range(int(seconds * per_s))) if per_s else count()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_connection(port, request, _due_times(numbers, began, seconds, per_s), outcome))
    outcome.elapsed_s = time.perf_counter() - began
    return outcome


def _due_times(
    numbers: Iterator[int], began: float, seconds: float, per_s: float | None
) -> Iterator[tuple[int, float]]:
    """Yield each request's number and when it is due: at a fixed rate, or at once until the time is over."""
    for number in numbers:
        due = began + number / per_s if per_s else time.perf_counter()
        if not per_s and due > began + seconds:
            return
        yield number, due


async def _connection(
    port: int,
    request: Callable[[int], bytes],
    due_times: Iterator[tuple[int, float]],
    outcome: Outcome,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number, due in due_times:
        if (early_s := due - time.perf_counter()) > 0:
            await asyncio.sleep(early_s)
        writer.write(request(number))
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        place = lower.index(_LENGTH) + len(_LENGTH)
        await reader.readexactly(int(lower[place : lower.index(b"\r", place)]))
        status = int(head[9:12])
        outcome.latencies_s.append(time.perf_counter() - due)
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
    writer.close()
    await writer.wait_closed()
