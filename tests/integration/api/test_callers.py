"""The key is checked before the body is read, and again while a long answer lasts."""

import socket
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from shared.keys import create_key, revoke_key
from tests.fixtures.services import Services, wait_until

_WITHIN_S = 5.0
_NOISE_S = 5.0
_BODIES = {
    "services.api": ["/v1/reports", "/v1/keys", "/v1/report-schedules", "/v1/webhook-endpoints"],
    "services.ingest.http": ["/v1/imports", "/v1/observations"],
}


def head(path: str, *more: str) -> bytes:
    kind = "text/csv" if path == "/v1/imports" else "application/json"
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", *more]
    return "\r\n".join([*lines, "Content-Length: 100000", "", ""]).encode()


def answered(url: str, request: bytes) -> tuple[bytes, bool]:
    """The first bytes of the answer, and whether the connection is closed after it."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as asked:
        asked.sendall(request)
        first = asked.recv(4096)
        if first.startswith(b"HTTP/1.1 100 "):
            return first, False
        while asked.recv(4096):
            pass
        return first, True


@pytest.fixture
def services(env: Mapping[str, str], tmp_path: Path) -> Iterator[Services]:
    settings = {**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool"), "UPTILL_OPEN_CALLS_PER_KEY": "2"}
    with Services(settings, tmp_path) as made:
        yield made


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as made:
        yield made


@pytest.mark.parametrize("module", _BODIES)
def test_a_body_is_received_from_whoever_may_send_it(
    services: Services, env: Mapping[str, str], conn: psycopg.Connection, module: str
) -> None:
    services.serve(module)
    url = env["UPTILL_API_URL"]
    reader = create_key(conn, name="reader", scopes=["metrics:read"])
    for path in _BODIES[module]:
        for status, headers in (
            (b"401", []),
            (b"401", ["Authorization: Bearer nonsense"]),
            (b"401", [f"X-API-Key: upt_abcdefgh_{'x' * 43}", "Expect: 100-continue"]),
            (b"403", [f"Authorization: Bearer {reader}", "Expect: 100-continue"]),
        ):
            first, is_closed = answered(url, head(path, *headers) + b"{" * 50)
            assert (first[9:12], is_closed) == (status, True), (path, headers)
            assert b"connection: close" in first.lower()
        first, _ = answered(url, head(path, f"X-API-Key: {env['UPTILL_API_KEY']}", "Expect: 100-continue"))
        assert first.startswith(b"HTTP/1.1 100 "), path
    assert not services.logged('"event": "bug"')


def test_streams_of_a_key_are_counted_and_end_with_it(
    services: Services, env: Mapping[str, str], conn: psycopg.Connection
) -> None:
    services.api()
    with services.client() as client:
        report_id = client.create_report(force=True).id  # no worker: it stays queued
    key = create_key(conn, name="short", scopes=["reports:read"])
    url = f"{env['UPTILL_API_URL']}/v1/reports/{report_id}"
    with httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        with http.stream("GET", f"{url}/events") as first, http.stream("GET", f"{url}/events") as second:
            assert (first.status_code, second.status_code) == (200, 200)
            third = http.get(url)
            assert third.status_code == 429
            assert third.headers["retry-after"] == "1"
            assert httpx2.get(url, headers={"X-API-Key": env["UPTILL_API_KEY"]}).status_code == 200
            revoke_key(conn, key.split("_")[1])
            began = time.monotonic()
            assert len([*first.iter_lines()]) >= 2
            assert len([*second.iter_lines()]) >= 2
            assert time.monotonic() - began < _WITHIN_S + _NOISE_S
        assert http.get(url).status_code == 401


def test_a_wait_ends_with_the_key(
    services: Services, env: Mapping[str, str], conn: psycopg.Connection
) -> None:
    services.api()
    with services.client() as client:
        report_id = client.create_report(force=True).id
    key = create_key(conn, name="short", scopes=["reports:read"])
    prefix = key.split("_")[1]
    conn.execute("update api_key set expires_at = now() + interval '1 second' where prefix = %s", [prefix])
    began = time.monotonic()
    url = f"{env['UPTILL_API_URL']}/v1/reports/{report_id}?wait=30"
    answer = httpx2.get(url, headers={"X-API-Key": key}, timeout=40)
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:uptill:error:unauthenticated")
    assert time.monotonic() - began < 1 + _WITHIN_S + _NOISE_S


def test_an_upload_ends_with_the_key(
    services: Services, env: Mapping[str, str], conn: psycopg.Connection
) -> None:
    services.serve("services.ingest.http")
    key = create_key(conn, name="short", scopes=["ingest:write"])
    address = urlsplit(env["UPTILL_API_URL"])
    request = head("/v1/imports", f"X-API-Key: {key}", "Expect: 100-continue")
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as asked:
        asked.sendall(request)
        assert asked.recv(4096).startswith(b"HTTP/1.1 100 ")
        revoke_key(conn, key.split("_")[1])
        asked.settimeout(0.1)
        answer = b""
        while not answer:
            asked.sendall(b"x" * 100)
            try:
                answer = asked.recv(4096)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 401 ")
    spool = Path(services.settings["UPTILL_SPOOL_DIR"])
    wait_until(lambda: not list(spool.glob("[!.]*")), "the end of the upload")


@pytest.mark.parametrize("module", _BODIES)
def test_a_caller_that_is_gone_before_its_answer_is_no_bug(
    services: Services, env: Mapping[str, str], module: str
) -> None:
    """A probe may close as soon as it has the status."""
    services.serve(module)
    address = urlsplit(env["UPTILL_API_URL"])
    for _ in range(20):
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            asked.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            asked.recv(12)
    assert httpx2.get(f"{env['UPTILL_API_URL']}/livez").status_code == 200
    assert not services.logged('"event": "bug"')
