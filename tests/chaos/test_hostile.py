"""A hostile hour in a minute: nonsense, slow senders, thousands of connections; a good client is served all the while."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.chaos.good_client import GoodClient, connected
from tests.fixtures.services import Services, wait_until

CONNECTIONS = 10_000
SLOW_SENDERS = 300
_AT_ONCE = 400  # the test's own files are limited too
_FEW_FILES = 20  # connections of the pools, and the test's own
_ANSWER_S = 0.5
_SLOW_S = 14.0  # longer than a service waits for headers

NONSENSE = [
    b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/reports/%00%ff%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n",
    b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
    b"GET /v1/reports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer upt_\xff\xfe\r\n\r\n",
    # Ranges of a file: as many as the headers have room for, and more.
    *(
        b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\nRange: bytes="
        + b",".join(b"%d-%d" % (n, n) for n in range(0, 2 * count, 2))
        + b"\r\n\r\n"
        for count in (2500, 10_000)
    ),
]
_JSON = {"Content-Type": "application/json"}
# HTTP as it should be, that asks for what cannot be: the status, and what is sent.
REFUSED: list[tuple[int, dict[str, str], bytes]] = [
    (400, _JSON, b"[" * 100_000),
    (400, {**_JSON, "Host": "evil.example"}, b"{}"),
    (401, {**_JSON, "Authorization": "Bearer upt_nonsense"}, b"{}"),
    (413, _JSON, b" " * (17 << 20)),
    (415, {"Content-Type": "text/plain"}, b"{}"),
    (422, _JSON, b"nonsense"),
    (422, _JSON, b'{"no_such_field": 1}'),
]


def first_line(url: str, request: bytes) -> bytes:
    """What the service answers to these bytes; nothing when it just hangs up."""
    with connected(url) as connection:
        with suppress(OSError):
            connection.sendall(request)
        connection.settimeout(_ANSWER_S)  # of what is not complete it expects more
        received = b""
        with suppress(OSError):
            while b"\r\n" not in received and (block := connection.recv(4096)):
                received += block
    return received.partition(b"\r\n")[0]


def refused(url: str, key: str, path: str) -> Counter[int]:
    """Send each of the bad calls; returns how often each status came, which is the one that it should be."""
    statuses: Counter[int] = Counter()
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        for expected, headers, body in REFUSED:
            answer = http.post(path, headers=headers, content=body)
            assert answer.status_code == expected, (headers, body[:80])
            statuses[answer.status_code] += 1
    return statuses


def slow_senders(url: str) -> int:
    """Send headers and bodies by the byte, all at once; returns how many the service gave up."""
    headers = b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    given_up = 0
    with ExitStack() as stack:
        senders = [stack.enter_context(connected(url)) for _ in range(SLOW_SENDERS)]
        for sender in senders:
            sender.setblocking(False)
        until = time.monotonic() + _SLOW_S
        for byte in headers * 10:
            if time.monotonic() > until:
                break
            for sender in senders:
                with suppress(OSError):
                    sender.send(bytes([byte]) if byte not in b"\r\n" else b"x")
            time.sleep(0.5)
        for sender in senders:
            try:
                given_up += sender.recv(1) == b""
            except BlockingIOError:
                continue
            except OSError:
                given_up += 1
    return given_up


def opened_and_dropped(url: str) -> None:
    for _ in range(CONNECTIONS // _AT_ONCE):
        with ExitStack() as stack:
            for _ in range(_AT_ONCE):
                stack.enter_context(connected(url))


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", ["services.api", "services.ingest.http"])
def test_a_hostile_hour(env: Mapping[str, str], tmp_path: Path, module: str) -> None:
    url, key = env["UPTILL_API_URL"], env["UPTILL_API_KEY"]
    is_api = module == "services.api"
    path = "/v1/reports" if is_api else "/v1/imports"
    with Services({**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}, tmp_path) as services:
        process = services.serve(module)
        seen = psutil.Process(process.pid)
        before, files = seen.memory_info().rss, seen.num_fds()
        with GoodClient(url, key, path) as good:
            time.sleep(3)
            print(f"\n{module}: quiet: {good.figures()}")
            answers: Counter[str] = Counter()
            for request in NONSENSE * 20:
                answer = first_line(url, request.replace(b"/v1/reports", path.encode()))
                assert not answer.startswith(b"HTTP/1.1 5"), request[:80]
                answers[answer[9:12].decode() or "none"] += 1
            print(f"{module}: nonsense, answers {dict(sorted(answers.items()))}: {good.figures()}")
            statuses: Counter[int] = Counter()
            for _ in range(20):
                statuses += refused(url, key, path if is_api else "/v1/observations")
            print(f"{module}: bad calls, answers {dict(sorted(statuses.items()))}: {good.figures()}")
            given_up = slow_senders(url)
            print(f"{module}: {SLOW_SENDERS} slow senders, {given_up} given up: {good.figures()}")
            opened_and_dropped(url)
            print(f"{module}: {CONNECTIONS} connections opened and dropped: {good.figures()}")
        wait_until(lambda: seen.num_fds() < files + _FEW_FILES, "what was dropped to be closed")
        after = seen.memory_info().rss
        print(
            f"{module}: memory {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after;"
            f" open files {files} before, {seen.num_fds()} after"
        )
        assert given_up == SLOW_SENDERS
        assert (good.statuses, good.broken) == ({404}, 0)
        assert process.poll() is None
        assert httpx2.get(f"{url}/readyz").status_code == 200
        assert not services.logged('"event": "bug"')
        assert after - before < 200e6, "what is hostile is not kept"
