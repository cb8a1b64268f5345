"""A hostile hour of connections: callers without a key hold what they can, and callers with one are served (promise 25)."""

import resource
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.chaos.good_client import GoodClient, connected
from tests.fixtures.services import Services

_HELD_S = 8.0
_PROBE_S = 1.0
_MOST_LIVEZ_S = 2.0
_OPENING_S = 0.5  # what thousands of connections opened at once may cost, on a machine that holds both sides
_BODY_BYTES = 4 << 20

Attack = Callable[[Sequence[socket.socket], str], None]


def _post(path: str, length: str, more: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}{length}\r\n\r\n"
    )
    return head.encode()


def unfinished_bodies(senders: Sequence[socket.socket], path: str) -> None:
    """Each announces a body, sends half of it and waits."""
    for sender in senders:
        _push(sender, _post(path, "Content-Length: 100") + b"[" * 50)


def unfinished_chunks(senders: Sequence[socket.socket], path: str) -> None:
    """The same without a length, asking whether to go on."""
    head = _post(path, "Transfer-Encoding: chunked", "Expect: 100-continue\r\n")
    for sender in senders:
        _push(sender, head + b"32\r\n" + b"[" * 20)


def held_bodies(senders: Sequence[socket.socket], path: str) -> None:
    """Each sends nearly all of a long body."""
    head = _post(path, f"Content-Length: {_BODY_BYTES}", "Authorization: Bearer upt_none\r\n")
    for sender in senders:
        _push(sender, head + b" " * (_BODY_BYTES - 1), within_s=2)


def dripping_bodies(senders: Sequence[socket.socket], path: str) -> None:
    """A byte a second each."""
    for sender in senders:
        _push(sender, _post(path, "Content-Length: 1000"))
    for _ in range(int(_HELD_S)):
        for sender in senders:
            _push(sender, b"[")
        time.sleep(1)


def pipelines_nobody_reads(senders: Sequence[socket.socket], path: str) -> None:
    """Requests as fast as they are taken; no answer is ever read."""
    del path
    many = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
    for sender in senders:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        _push(sender, many)


def upgrades(senders: Sequence[socket.socket], path: str) -> None:
    """Requests for another protocol on connections that stay open."""
    head = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    for sender in senders:
        _push(sender, head % path.encode())


ATTACKS: list[tuple[Attack, int]] = [
    (unfinished_bodies, 4096),
    (unfinished_chunks, 1000),
    (held_bodies, 60),
    (dripping_bodies, 300),
    (upgrades, 1000),
]


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", ["services.api", "services.ingest.http"])
def test_strangers_take_nothing_from_callers(env: Mapping[str, str], tmp_path: Path, module: str) -> None:
    _attacked(env, tmp_path, module, ATTACKS)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", ["services.api", "services.ingest.http"])
def test_pipelines_that_nobody_reads(env: Mapping[str, str], tmp_path: Path, module: str) -> None:
    _attacked(env, tmp_path, module, [(pipelines_nobody_reads, 300)])


def _attacked(
    env: Mapping[str, str], tmp_path: Path, module: str, attacks: Sequence[tuple[Attack, int]]
) -> None:
    url, key = env["UPTILL_API_URL"], env["UPTILL_API_KEY"]
    is_api = module == "services.api"
    path = "/v1/reports" if is_api else "/v1/observations"
    _allow_files()
    seen: list[str] = []
    slow: list[str] = []
    with Services({**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}, tmp_path) as services:
        process = psutil.Process(services.serve(module).pid)
        with GoodClient(url, key, "/v1/reports" if is_api else "/v1/imports") as good:
            time.sleep(4)
            quiet_s = good.p99_s()
            seen.append(f"quiet: {good.figures()}, {process.memory_info().rss / 1e6:.0f} MB")
            for attack, count in attacks:
                before = process.memory_info().rss
                with _opened(url, count) as senders:
                    attack(senders, path)
                    statuses, livez_s = _probed(url)
                    grown = (process.memory_info().rss - before) / 1e6
                    p99_s = good.p99_s()
                    seen.append(
                        f"{attack.__name__} ({len(senders)}): {good.figures()}; livez {sorted(statuses)}"
                        f" {livez_s * 1000:.0f} ms at most; memory {grown:+.0f} MB"
                    )
                if statuses != {200} or livez_s > _MOST_LIVEZ_S or grown > 100:
                    slow.append(seen[-1])
                if p99_s > max(3 * quiet_s, _OPENING_S):
                    slow.append(seen[-1])
        print("\n" + "\n".join(f"{module}: {line}" for line in seen))
        assert not slow
        assert (good.statuses, good.broken) == ({404}, 0)
        assert not services.logged('"event": "bug"')


def _probed(url: str) -> tuple[set[int], float]:
    """Ask for /livez on fresh connections for a while; the statuses (0: none) and the longest time."""
    statuses, longest_s, until = set[int](), 0.0, time.monotonic() + _HELD_S
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            statuses.add(httpx2.get(f"{url}/livez", timeout=10).status_code)
        except httpx2.HTTPError:
            statuses.add(0)
        longest_s = max(longest_s, time.monotonic() - began)
        time.sleep(_PROBE_S / 4)
    return statuses, longest_s


@contextmanager
def _opened(url: str, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        senders = [stack.enter_context(connected(url)) for _ in range(count)]
        for sender in senders:
            sender.setblocking(False)
        yield senders


def _push(sender: socket.socket, data: bytes, within_s: float = 0.0) -> None:
    """Send as much as is taken."""
    until = time.monotonic() + within_s
    with suppress(OSError):
        while data:
            try:
                data = data[sender.send(data) :]
            except BlockingIOError:
                if time.monotonic() >= until:
                    return
                time.sleep(0.001)


def _allow_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20_000)), hard))
