"""A small HTTP/1.1 load generator for loopback and JSON: keep-alive connections, unlimited or at a fixed rate."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import quantiles

_LENGTH = b"content-length:"


@dataclass
class LoadResult:
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

    def assert_only(self, status: int) -> "LoadResult":
        """Fail if any answer had another status."""
        assert set(self.statuses) == {status}, self.statuses
        return self


def send_load(
    port: int,
    request: Callable[[int], bytes],
    *,
    seconds: float,
    connections: int,
    per_s: float | None = None,
) -> LoadResult:
    """Send `request(0)`, `request(1)` …; at a fixed rate, latencies count from when a request was due."""
    return asyncio.run(_send_all(port, request, seconds, connections, per_s))


def get_request(path: str, key: str) -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


def post_request(path: str, key: str, body: str) -> bytes:
    """Return the bytes of a POST request with JSON."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def _send_all(
    port: int, request: Callable[[int], bytes], seconds: float, connections: int, per_s: float | None
) -> LoadResult:
    result = LoadResult()
    began_s = time.perf_counter()
    due_times = _paced_times(began_s, seconds, per_s) if per_s else _immediate_times(began_s, seconds)
    numbered = enumerate(due_times)
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_send_on_one(port, request, numbered, result))
    result.elapsed_s = time.perf_counter() - began_s
    return result


def _paced_times(began_s: float, seconds: float, per_s: float) -> Iterator[float]:
    return (began_s + number / per_s for number in range(int(seconds * per_s)))


def _immediate_times(began_s: float, seconds: float) -> Iterator[float]:
    while (now_s := time.perf_counter()) <= began_s + seconds:
        yield now_s


async def _send_on_one(
    port: int, request: Callable[[int], bytes], numbered: Iterator[tuple[int, float]], result: LoadResult
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number, due_s in numbered:
        if (wait_s := due_s - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        writer.write(request(number))
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        place = lower.index(_LENGTH) + len(_LENGTH)
        await reader.readexactly(int(lower[place : lower.index(b"\r", place)]))
        status = int(head[9:12])
        result.latencies_s.append(time.perf_counter() - due_s)
        result.statuses[status] = result.statuses.get(status, 0) + 1
    writer.close()
    await writer.wait_closed()
