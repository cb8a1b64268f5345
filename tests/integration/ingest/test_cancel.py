"""`DELETE /v1/imports/{id}` cancels an unfinished import: it commits nothing more, and leaves nothing half-done."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.run import Limits, LoadOptions, LoadProgress, load_source
from services.ingest.sources.files import FileSource
from shared.ids import new_id
from tests.fixtures.services import wait_until
from tests.integration.ingest.database import POLLS_HEADER, check_ledger
from tests.integration.ingest.service import ended, ingest_service, problem

POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool") as client:
        yield client


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, POLLS)
    return packed.getvalue()


def writers_kept_away(conn: psycopg.Connection) -> None:
    conn.execute("select pg_advisory_lock(hashtextextended('uptill.ingest', 0))")


def writers_let_in(conn: psycopg.Connection) -> None:
    conn.execute("select pg_advisory_unlock(hashtextextended('uptill.ingest', 0))")


def test_running_and_queued_uploads_are_canceled(
    service: TestClient, database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        writers_kept_away(conn)
        running = service.post("/v1/imports?name=running", content=POLLS).json()["id"]
        wait_until(lambda: service.get(f"/v1/imports/{running}").json()["state"] == "running", "its start")
        archive = service.post("/v1/imports", content=zipped("a.csv", "b.csv")).json()["id"]
        for import_id in (running, archive):
            answer = service.delete(f"/v1/imports/{import_id}")
            assert (answer.status_code, answer.json()["state"]) == (200, "canceled")
            problem(service.delete(f"/v1/imports/{import_id}"), 409, "import_ended")
        writers_let_in(conn)
        shown = ended(service, service.post("/v1/imports?name=next", content=POLLS))
        assert (shown["state"], shown["counts"]["accepted"]) == ("succeeded", 1)
        for import_id in (running, archive):
            shown = service.get(f"/v1/imports/{import_id}").json()
            assert (shown["state"], shown["counts"]["rows_read"]) == ("canceled", 0)
            assert shown["error"]["reason"] == "canceled"
        acts = conn.execute(
            "select subject from audit where action = 'import.canceled' order by id"
        ).fetchall()
        assert acts == [(running,), (archive,)]
    left = tmp_path / "spool"
    wait_until(lambda: not [name for name in left.iterdir() if not name.name.startswith(".")], "the spool")
    check_ledger(database_url)


def test_committed_chunks_of_a_canceled_import_stay_and_are_finished(
    service: TestClient, database_url: str, tmp_path: Path
) -> None:
    """Cancel a load of the command midway: its week is unindexed, and some polls are pending."""
    rows = [POLLS_HEADER, *(f"s{n % 50},active,2024-09-02 00:{n % 60:02}:00 UTC" for n in range(3000))]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows) + "\n")

    def cancel(progress: LoadProgress) -> None:
        if progress.rows_read < 1000:
            (shown,) = service.get("/v1/imports").json()["imports"]
            assert (shown["origin"], shown["state"]) == ("command", "running")
            service.delete(f"/v1/imports/{shown['id']}")

    result = load_source(
        database_url,
        FileSource(path),
        options=LoadOptions(limits=Limits(chunk_bytes=16_384), on_progress=cancel),
    )
    assert result.state == "canceled"
    assert 0 < result.rows_read < 3000
    check_ledger(database_url)
    again = load_source(
        database_url, FileSource(path), options=LoadOptions(limits=Limits(chunk_bytes=16_384))
    )
    assert (again.state, again.rows_read, again.resumed_at_byte) == ("succeeded", 3000, 0)


def test_canceled_hours_change_nothing(service: TestClient, database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "hours.csv"
    path.write_text("store_id,day,start_time_local,end_time_local\n" + "a,0,10:00,22:00\n" * 2000)

    def cancel(progress: LoadProgress) -> None:
        del progress
        (shown,) = service.get("/v1/imports").json()["imports"]
        service.delete(f"/v1/imports/{shown['id']}")

    result = load_source(
        database_url,
        FileSource(path),
        options=LoadOptions(limits=Limits(chunk_bytes=4096), on_progress=cancel),
    )
    assert result.state == "canceled"
    with psycopg.connect(database_url) as conn:
        assert conn.execute(
            "select (select count(*) from business_hours), (select count(*) from import_staged)"
        ).fetchone() == (0, 0)


def test_only_unfinished_loads_can_be_canceled(service: TestClient) -> None:
    poll = {"store_id": "a", "status": "active", "observed_at": "2024-09-02T00:00:00Z"}
    service.post("/v1/observations", json={"observations": [poll]})
    (live,) = service.get("/v1/imports").json()["imports"]
    assert "live polls" in problem(service.delete(f"/v1/imports/{live['id']}"), 409, "import_ended")["detail"]
    over = ended(service, service.post("/v1/imports", content=POLLS))
    assert "succeeded" in problem(service.delete(f"/v1/imports/{over['id']}"), 409, "import_ended")["detail"]
    problem(service.delete(f"/v1/imports/{new_id()}"), 404, "import_not_found")
    problem(service.delete("/v1/imports/x"), 404, "import_not_found")
