"""The ingest service as a process: broken uploads, a full disk, SIGTERM, SIGKILL, and the restart after them."""

import http.client
import resource
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from tests.fixtures.services import Services, first_unready, kill_group, wait_until
from tests.integration.ingest.database import check_ledger

HEADER = "store_id,status,timestamp_utc\n"
ROWS = 60_000
SMALL_CHUNKS = {"UPTILL_CHUNK_BYTES": "16384"}  # 150 commits: a load is not done before it is ended
FINAL = {"succeeded", "stopped", "failed", "canceled"}


class IngestService:
    """One service with its spool. It can be started again after it was killed."""

    def __init__(self, services: Services, spool: Path) -> None:
        self.services, self.spool = services, spool
        self.url = services.settings["UPTILL_API_URL"]  # a free port
        self.headers = {"Authorization": f"Bearer {services.settings['UPTILL_API_KEY']}"}
        self.process = self.start()

    def start(self, **extra: str) -> Any:
        port = urlsplit(self.url).port
        self.process = self.services.start("services.ingest.http", f"--port={port}", **extra)
        wait_until(lambda: self.ready() == 200, "the ingest service")
        return self.process

    def ready(self) -> int | None:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code
        except httpx2.HTTPError:
            return None

    def upload(self, body: bytes, name: str = "upload") -> httpx2.Response:
        return httpx2.post(
            f"{self.url}/v1/imports?name={name}", content=body, headers=self.headers, timeout=30
        )

    def get(self, path: str) -> Any:
        return httpx2.get(f"{self.url}{path}", headers=self.headers, timeout=30).json()

    def ended(self, import_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def has_ended() -> bool:
            found.update(self.get(f"/v1/imports/{import_id}"))
            return found["state"] in FINAL

        wait_until(has_ended, "the end of the import")
        return found

    def spooled(self) -> list[str]:
        return [entry.name for entry in self.spool.iterdir() if not entry.name.startswith(".")]


@pytest.fixture
def service(env: Mapping[str, str], tmp_path: Path) -> Iterator[IngestService]:
    settings = {**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}
    with Services(settings, tmp_path) as services:
        yield IngestService(services, tmp_path / "spool")


def polls(rows: int) -> bytes:
    lines = (
        f"s{n % 999},active,2024-09-{2 + n % 27:02} {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02} UTC\n"
        for n in range(rows)
    )
    return (HEADER + "".join(lines)).encode()


def test_an_upload_that_is_cut_off_leaves_nothing(service: IngestService) -> None:
    port = urlsplit(service.url).port
    request = (
        f"POST /v1/imports HTTP/1.1\r\nHost: localhost\r\nAuthorization: {service.headers['Authorization']}\r\n"
        f"Content-Length: 9999999\r\n\r\n{HEADER}" + "a,active,2024-09-02 00:00:00 UTC\n" * 50_000
    )
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request.encode())
        wait_until(service.spooled, "the start of the upload")
    wait_until(lambda: service.spooled() == [], "the end of the upload")
    assert service.get("/v1/imports")["imports"] == []
    assert service.ready() == 200


def test_bytes_beyond_the_announced_length_are_not_loaded(service: IngestService) -> None:
    body = polls(100).decode()
    request = (
        f"POST /v1/imports HTTP/1.1\r\nHost: localhost\r\nAuthorization: {service.headers['Authorization']}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}" + "grown,active,2024-09-02 00:00:00 UTC\n" * 1000
    )
    with socket.create_connection(("127.0.0.1", urlsplit(service.url).port), timeout=30) as connection:
        connection.sendall(request.encode())
        answers = b""
        while block := connection.recv(65_536):  # the rest is no request: the service closes
            answers += block
    assert answers.startswith(b"HTTP/1.1 202")
    assert b"HTTP/1.1 400" in answers
    (shown,) = service.get("/v1/imports")["imports"]
    assert service.ended(shown["id"])["counts"]["accepted"] == 100


def test_a_killed_service_resumes_its_load_after_a_restart(
    service: IngestService, env: Mapping[str, str]
) -> None:
    kill_group(service.process, signal.SIGKILL)
    service.process.wait()
    service.start(**SMALL_CHUNKS)
    body = polls(ROWS)
    import_id = service.upload(body).json()["id"]
    waiting = service.upload(HEADER.encode() + b"x,active,2024-09-02 00:00:00 UTC\n").json()["id"]
    wait_until(lambda: service.get(f"/v1/imports/{import_id}")["progress"]["bytes_done"], "the first chunk")
    kill_group(service.process, signal.SIGKILL)
    service.process.wait()
    assert len(service.spooled()) >= 1
    (service.spool / "00000000-0000-7000-8000-000000000000.part").mkdir()  # as if killed while it received
    service.start()
    shown = service.ended(import_id)
    assert shown["state"] == "succeeded", shown
    assert shown["counts"]["rows_read"] == ROWS
    assert shown["progress"] == {"bytes_done": len(body), "bytes_total": len(body)}
    assert service.ended(waiting)["counts"]["accepted"] == 1
    wait_until(lambda: service.spooled() == [], "an empty spool")
    check_ledger(env["UPTILL_DATABASE_URL"])


def test_sigterm_is_announced_first_and_the_rest_is_loaded_after_a_restart(
    service: IngestService, env: Mapping[str, str]
) -> None:
    service.process.terminate()
    service.process.wait(60)
    service.start(**SMALL_CHUNKS)
    import_id = service.upload(polls(ROWS)).json()["id"]
    wait_until(lambda: service.get(f"/v1/imports/{import_id}")["progress"]["bytes_done"], "the first chunk")
    service.process.terminate()
    assert first_unready(service.url) == httpx2.codes.SERVICE_UNAVAILABLE
    assert service.process.wait(60) in {0, -signal.SIGTERM}
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        assert conn.execute("select state from import").fetchall() == [("queued",)]
    service.start()
    shown = service.ended(import_id)
    assert (shown["state"], shown["counts"]["rows_read"]) == ("succeeded", ROWS)
    check_ledger(env["UPTILL_DATABASE_URL"])


def test_a_full_disk_is_507_and_keeps_nothing(service: IngestService) -> None:
    limit = 1 << 20  # no file of the process may grow beyond, as on a full disk
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    refused = service.upload(polls(60_000))
    assert (refused.status_code, refused.json()["type"]) == (507, "urn:uptill:error:storage_full")
    wait_until(lambda: service.spooled() == [], "the end of the upload")
    assert service.ended(service.upload(polls(10)).json()["id"])["state"] == "succeeded"


def test_two_services_do_not_share_a_spool(service: IngestService, tmp_path: Path) -> None:
    other = service.services.start("services.ingest.http", "--port=0")
    assert other.wait(60) != 0
    assert any("another ingest service uses the spool" in log.read_text() for log in tmp_path.glob("1-*.log"))


def test_the_body_is_read_no_faster_than_it_is_written(service: IngestService) -> None:
    port = urlsplit(service.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    block = b"a,active,2024-09-02 00:00:00 UTC\n" * 32_768
    blocks = 100
    connection.putrequest("POST", "/v1/imports")
    connection.putheader("Authorization", service.headers["Authorization"])
    connection.putheader("Content-Length", str(len(HEADER) + blocks * len(block)))
    connection.endheaders(HEADER.encode())
    before = peak_kb(service.process.pid)
    for _ in range(blocks - 1):
        connection.send(block)
    assert peak_kb(service.process.pid) - before < 64 << 10
    connection.close()
    wait_until(lambda: service.spooled() == [], "the end of the upload")


def peak_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
