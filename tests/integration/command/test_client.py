"""The typed client and the commands, against real processes: every call, pages, retries."""

import csv
import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from services.local.ports import HOST
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.services import Services, wait_until
from uptill_client import ApiError, Interval, Poll, UptillClient
from uptill_client import pages as client_pages

Busy = tuple[str, list[tuple[int, dict[str, str]]], list[dict[str, str]]]
NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
POLLS = [
    Poll(store_id, (n + len(store_id)) % 4 != 0, NOW - timedelta(minutes=55 * n))
    for store_id in ("0042", "a/b", "west")
    for n in range(250)
]


def test_every_call_of_the_client(
    client: UptillClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Data in.
    assert client.send_polls(POLLS).accepted == 750
    assert client.send_polls(POLLS[:3]).duplicate == 3
    (tmp_path / "zones.csv").write_text("store_id,timezone_str\n0042,America/Denver\nx,Mars/Olympus\n")
    upload = client.upload(tmp_path / "zones.csv")
    *_, loaded = client.follow_import(upload.id)
    assert (loaded.state, loaded.counts.accepted, loaded.counts.rejected) == ("succeeded", 1, 1)
    rejects = io.BytesIO()
    client.save_rejects(loaded.id, rejects)
    assert b"Mars/Olympus" in rejects.getvalue()
    assert client.set_hours("a/b", [Interval(0, "10:00", "22:00")], create=True).counts.accepted == 1
    assert client.set_timezone("a/b", "Europe/Berlin").store_id == "a/b"
    assert client.set_labels("a/b", {"region": "north"}).counts.accepted == 1
    monkeypatch.setattr(client_pages, "PAGE", 2)
    assert [each.kind for each in client.imports()] == ["labels", "timezones", "hours", "timezones", "polls"]

    # Stores.
    assert [store.store_id for store in client.stores()] == ["0042", "a/b", "west"]
    (north,) = client.stores(labels={"region": "north"})
    store = client.get_store(north.store_id)
    assert (store.timezone, store.hours, store.last_polled_at) == (
        "Europe/Berlin", [Interval(0, "10:00:00", "22:00:00")], NOW
    )  # fmt: skip

    # Reports.
    asked = {"windows": ["last_week"], "formats": ["json"], "store_ids": ["a/b", "west"]}
    status = client.finished(client.create_report(**asked).id)  # type: ignore[arg-type]
    assert (status.as_of, [file.format for file in status.files]) == (NOW, ["csv", "json"])
    size_bytes = client.save(status.file("json"), tmp_path / "report.json")
    assert size_bytes == status.file("json").size_bytes
    rows = {row["store_id"]: row for row in json.loads((tmp_path / "report.json").read_text())["stores"]}
    assert list(rows) == ["a/b", "west"]
    frame = client.frame(status)
    assert dict(zip(frame["store_id"], frame["uptime_last_week"], strict=True)) == {
        store_id: row["uptime_last_week"] for store_id, row in rows.items()
    }
    others = [client.create_report(force=True, policy="strict").id for _ in range(3)]
    assert [report.id for report in client.reports()] == [*sorted(others, reverse=True), status.id]
    assert [report.id for report in client.reports(policy="classic")] == [status.id]

    # The timeline says what the report says.
    shown = client.timeline("a/b", window="last_week", as_of=status.as_of)
    assert round(shown.totals.up_us / 3_600_000_000, 4) == rows["a/b"]["uptime_last_week"]
    up = sum((s.end - s.begin for s in shown.segments if s.state == "up"), timedelta())
    assert up == timedelta(microseconds=shown.totals.up_us)
    from_to = client.timeline("a/b", begin=shown.begin, end=shown.end)
    assert from_to == shown


def test_a_removed_file_is_reported(client: UptillClient, services: Services, tmp_path: Path) -> None:
    client.send_polls(POLLS)
    status = client.finished(client.create_report().id)
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in services.settings.items()}
    storage = make_storage(Settings.model_validate(values))
    for item in list(storage.list("reports/")):
        storage.delete(item.key)
    with pytest.raises(ApiError, match=r"report\.csv was removed from the object store") as caught:
        client.save(status.file("csv"), tmp_path / "report.csv")
    assert caught.value.code == "file_lost"
    assert not (tmp_path / "report.csv").exists()


def test_the_commands(client: UptillClient, services: Services, tmp_path: Path) -> None:
    client.send_polls(POLLS)

    def run(*arguments: str) -> str:
        done = services.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("stores", "label", "a/b", "region=north", "owner=Acme")
    listed = run("stores", "list", "--label", "region=north")
    assert "a/b" in listed
    assert "0042" not in listed
    assert "open around the clock" in run("stores", "show", "a/b")
    shown = run("stores", "timeline", "a/b", "--window", "previous_day")
    assert "halfway to the next poll" in shown
    assert "Sun 2024-10-13 UTC" in shown
    assert "open 24:00:00" in shown
    local = run("stores", "timeline", "a/b", "--from", "2024-10-13T08:00-05:00", "--to", "2024-10-13T14:00Z")
    assert "open 1:00:00" in local

    out = tmp_path / "mine.xlsx"
    run("report", "--label", "region=north", "--window", "PT6H", "--window", "previous_week", "-o", str(out),
        "--format", "xlsx", "--format", "csv")  # fmt: skip
    assert out.read_bytes().startswith(b"PK")
    (row,) = csv.DictReader(io.StringIO(out.with_suffix(".csv").read_text()))
    assert list(row) == [
        "store_id", "uptime_last_6h", "uptime_previous_week", "downtime_last_6h", "downtime_previous_week"
    ]  # fmt: skip
    assert run("report", "--store", "west", "--store", "0042").count("\n") == 3
    assert json.loads(run("report", "--store", "west", "--format", "json"))["provenance"]["rows"] == 1
    assert run("reports", "list", "--policy", "classic").count("succeeded") == 3

    reports = json.loads(run("reports", "list", "--json"))
    assert len(reports) == 3
    assert json.loads(run("reports", "show", reports[0]["id"], "--json"))["files"][0]["name"] == "report.csv"
    assert [store["store_id"] for store in json.loads(run("stores", "list", "--json"))] == [
        "0042",
        "a/b",
        "west",
    ]
    assert json.loads(run("stores", "show", "a/b", "--json"))["labels"] == {
        "region": "north",
        "owner": "Acme",
    }
    timeline = json.loads(run("stores", "timeline", "a/b", "--window", "previous_day", "--json"))
    assert timeline["totals"]["open_us"] == 24 * 3_600_000_000
    assert services.run("-q", "reports", "show", reports[0]["id"]).stderr == ""
    assert "uptill_client: GET /v1/stores/a%2Fb: 200" in services.run("-v", "stores", "show", "a/b").stderr

    for arguments, code, message in (
        (("report", "--store", "nobody"), 2, "1 of 1 store ids are unknown: 'nobody'"),
        (("report", "--window", "P1M"), 2, "'P1M' is not a window"),
        (("report", "--label", "region"), 2, "write it as NAME=VALUE"),
        (("report", "--format", "csv", "--format", "json"), 2, "several formats need -o"),
        (("stores", "show", "nobody"), 1, "store 'nobody' does not exist"),
        (("stores", "timeline", "a/b", "--from", "yesterday"), 2, "invalid time 'yesterday'"),
    ):
        refused = services.run(*arguments)
        assert refused.returncode == code
        assert message in " ".join(refused.stderr.split())


@pytest.fixture
def folder(services: Services, tmp_path: Path) -> Path:
    """Where a reader of the pages is: the settings of `uptill up`, and files of his own."""
    (tmp_path / ".uptill").mkdir()
    settings = "".join(f"{name}={shlex.quote(value)}\n" for name, value in services.settings.items())
    (tmp_path / ".uptill" / "env").write_text(settings)
    polls = "store_id,status,timestamp_utc\n0042,active,2024-10-14 18:00:00 UTC\n"
    (tmp_path / "polls.csv").write_text(polls)
    (tmp_path / "export.csv.gz").write_bytes(gzip.compress(polls.encode()))
    (tmp_path / "hours.csv").write_text("store_id,day,start_time_local,end_time_local\n0042,0,09:00,17:00\n")
    return tmp_path


def blocks(page: str, language: str) -> list[str]:
    text = (Path(__file__).parents[3] / page).read_text()
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found
    return found


def in_a_shell(script: str, folder: Path) -> str:
    """What it prints. An answer of 400 and above fails, as any command does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPTILL_")}
    done = subprocess.run(
        ["bash", "-euc", f'curl() {{ command curl --fail "$@"; }}\n{script}'],
        cwd=folder,
        env={**environment, "PATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestPages:
    """What the pages print works as it is printed."""

    @pytest.fixture(autouse=True)
    def polls(self, client: UptillClient) -> None:
        client.send_polls(POLLS)

    @pytest.mark.parametrize("language", ["bash", "python"])
    def test_the_quickstart(self, language: str, folder: Path) -> None:
        (block,) = blocks("docs/quickstart.md", language)
        assert len(block.strip().splitlines()) <= 6
        script = block if language == "bash" else f"python -c {shlex.quote(block)}"
        in_a_shell(f"set -a; . .uptill/env; set +a\n{script}", folder)
        header, *rows = (folder / "report.csv").read_text().splitlines()
        assert header.startswith("store_id,uptime_last_")
        assert len(rows) == 3

    def test_the_two_calls_of_the_readme(self, folder: Path) -> None:
        (block,) = (block for block in blocks("README.md", "sh") if "/trigger_report" in block)
        wait_until(lambda: json.loads(in_a_shell(block, folder))["status"] == "Complete", "the report")
        link = json.loads(in_a_shell(block, folder))["download_url"]
        assert httpx2.get(link).text.startswith("store_id,uptime_last_hour")

    def test_the_guides(self, folder: Path) -> None:
        (folder / "other.csv").write_text(
            "store_id,status,timestamp_utc\n0043,active,2024-10-10 18:00:00 UTC\n"
        )
        in_a_shell(". .uptill/env\nuptill ingest other.csv", folder)
        for page in ("reports", "stores", "live-polls", "webhooks", "schedules"):
            in_a_shell(". .uptill/env\n" + "".join(blocks(f"docs/how-to/{page}.md", "sh")), folder)
        assert (folder / "report.xlsx").read_bytes().startswith(b"PK")


class TestWaiting:
    """Retries, against a server that answers 503 and 429 first; no real server does so on demand."""

    @pytest.fixture
    def busy(self) -> Iterator[Busy]:
        answers: list[tuple[int, dict[str, str]]] = []
        seen: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append({"key": self.headers["Idempotency-Key"], "body": body.decode()})
                status, headers = answers.pop(0)
                content = json.dumps(
                    {"detail": "later", "type": "urn:uptill:error:rate_limited"} if status != 202 else REPORT
                ).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return

        server = ThreadingHTTPServer((HOST, 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}", answers, seen
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def test_it_retries_with_the_same_idempotency_key(self, busy: Busy) -> None:
        url, answers, seen = busy
        answers += [(503, {"Retry-After": "0"}), (429, {"Retry-After": "1"}), (202, {})]
        with UptillClient(url, "key") as client:
            assert client.create_report(windows=["PT6H"]).id == REPORT["id"]
        assert len(seen) == 3
        assert len({request["key"] for request in seen}) == 1
        assert {request["body"] for request in seen} == {seen[0]["body"]}

    def test_it_gives_up_if_the_wait_is_longer_than_its_patience(self, busy: Busy) -> None:
        url, answers, seen = busy
        answers += [(429, {"Retry-After": "3600"})]
        with UptillClient(url, "key") as client, pytest.raises(ApiError, match="later") as raised:
            client.create_report()
        assert (raised.value.status, raised.value.code, len(seen)) == (429, "rate_limited", 1)

    def test_a_refused_request_is_not_retried(self, busy: Busy) -> None:
        url, answers, seen = busy
        answers += [(422, {"Retry-After": "0"})]
        with UptillClient(url, "key") as client, pytest.raises(ApiError):
            client.create_report()
        assert len(seen) == 1


def test_a_missing_ingest_address_is_reported() -> None:
    with UptillClient("http://127.0.0.1:1", "key") as client:
        with pytest.raises(ApiError, match="ingest service"):
            client.set_labels("a", {})
        with pytest.raises(ApiError, match="uptill up") as raised:
            client.get_report("x")
    assert raised.value.status is None


REPORT = {
    "id": "018f0000-0000-7000-8000-000000000000",
    "state": "queued",
    "as_of": "2024-10-14T18:00:00Z",
    "policy": "classic",
    "policy_version": 1,
    "detail": False,
    "windows": ["PT6H"],
    "formats": ["csv"],
    "stores": None,
    "data_cut": 1,
    "tzdata_version": None,
    "progress": {"stores_done": 0, "stores_total": 3},
    "files": [],
    "error": None,
    "created_at": "2024-10-14T18:00:00Z",
    "started_at": None,
    "finished_at": None,
    "a_field_of_a_later_release": 1,
}
