"""No upload blocks the next one: bad names, too many members, unknown files, poison, failures that cannot be recorded."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.http import importer as importing
from services.ingest.http import load_upload
from services.ingest.sources.files import FileSource
from services.ingest.sources.resolve import resolve_sources
from services.ingest.write.archive_imports import queue_members
from shared.db.connect import connect
from shared.ids import new_id
from tests.fixtures.services import wait_until
from tests.integration.ingest.service import ended, ingest_service, problem

POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"
LONG = "x" * 2990 + ".csv"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def service(database_url: str, spool: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(importing, "_FIRST_PAUSE_S", 0.02)
    with ingest_service(database_url, spool) as client:
        yield client


def next_one_is_loaded(service: TestClient) -> None:
    shown = ended(service, service.post("/v1/imports?name=next", content=POLLS))
    assert (shown["state"], shown["error"]) == ("succeeded", None)


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, POLLS if len(names) < 10 else b"")
    return packed.getvalue()


def poison(database_url: str, when: str) -> None:
    """Make the database refuse updates of some imports, as it does for an invalid value."""
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin"
            " raise exception 'out of range' using errcode = '22003'; end $$"
        )
        conn.execute(
            f"create trigger refuse before update on import for each row when ({when}) execute function refuse()"
        )


def test_a_long_name_is_refused_wherever_it_is_given(service: TestClient) -> None:
    by_form = service.post("/v1/imports", files={"file": (LONG, POLLS)})
    assert problem(by_form, 422, "invalid_request")["field"] == "body.filename"
    problem(service.post("/v1/imports", params={"name": LONG}, content=POLLS), 422, "invalid_request")
    kept = service.post("/v1/imports", files={"file": ("Б" * 255, POLLS)})
    assert ended(service, kept)["source"] == "Б" * 255
    archive = service.post("/v1/imports", content=zipped(LONG, "good.csv"))
    members = {shown["source"]: shown for shown in ended(service, archive)["members"]}
    assert members["upload/good.csv"]["state"] == "succeeded"
    (refused,) = (shown for source, shown in members.items() if source != "upload/good.csv")
    assert (refused["state"], refused["error"]["reason"]) == ("failed", "name")
    next_one_is_loaded(service)


def test_no_name_can_break_an_index(service: TestClient, database_url: str) -> None:
    """An earlier release could queue a name like this, of bytes that do not compress."""
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "insert into import (id, source, state, error) values (%s, %s, 'failed', '{\"reason\": \"fault\"}')",
            [new_id(), os.urandom(50_000).hex()],
        )
    next_one_is_loaded(service)


def test_too_many_members_are_refused_at_once(service: TestClient, database_url: str) -> None:
    """351 kB: three archives with a thousand empty members each."""
    archive = zipped(*(f"{number}.csv" for number in range(1000)))
    files = [("f", (f"{name}.zip", archive)) for name in "abc"]
    shown = ended(service, service.post("/v1/imports", files=files))
    assert (shown["state"], shown["error"]["reason"]) == ("failed", "members")
    next_one_is_loaded(service)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from import").fetchone() == (2,)


def test_no_source_is_opened_within_a_transaction(database_url: str, tmp_path: Path) -> None:
    """A slow source would make the database end the session."""
    seen = []

    class Slow(FileSource):
        def open_seekable(self):  # type: ignore[no-untyped-def]
            seen.append(conn.info.transaction_status)
            return super().open_seekable()

    path, archive_id = tmp_path / "a.csv", new_id()
    path.write_bytes(POLLS)
    with connect(database_url, application_name="test", autocommit=True) as conn:
        conn.execute("insert into import (id, source, state) values (%s, 'x', 'queued')", [archive_id])
        sources = [source for _ in range(2) for source in resolve_sources(Slow(path)).sources]
        assert len(queue_members(conn, archive_id, sources)) == 2
    assert seen == [psycopg.pq.TransactionStatus.IDLE] * 2


def test_unknown_files_in_the_spool_do_not_stop_uploads(service: TestClient, spool: Path) -> None:
    (spool / "lost+found").mkdir(mode=0)
    (spool / "notes").touch()
    (spool / str(new_id())).symlink_to(spool / "lost+found")
    next_one_is_loaded(service)
    assert (spool / "lost+found").is_dir()


def test_poison_is_failed_after_five_attempts_and_put_aside(
    service: TestClient, database_url: str, spool: Path
) -> None:
    poison(database_url, "old.source = 'poison' and new.state = 'running'")
    answer = service.post("/v1/imports?name=poison", content=POLLS)
    next_one_is_loaded(service)
    shown = ended(service, answer)
    assert (shown["state"], shown["error"]["reason"]) == ("failed", "attempts")
    assert "NumericValueOutOfRange" in shown["error"]["message"]
    aside = spool / f"{shown['id']}.failed"
    wait_until(aside.is_dir, "the upload to be put aside")
    assert (aside / "0000-poison").read_bytes() == POLLS
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select attempts from import where source = 'poison'").fetchone() == (5,)


def test_a_poisoned_member_does_not_stop_the_others(service: TestClient, database_url: str) -> None:
    poison(database_url, "old.source = 'upload/bad.csv' and new.state = 'running'")
    shown = ended(service, service.post("/v1/imports", content=zipped("bad.csv", "good.csv")))
    assert shown["state"] == "failed"
    found = {member["source"]: member["state"] for member in shown["members"]}
    assert found == {"upload/bad.csv": "failed", "upload/good.csv": "succeeded"}
    next_one_is_loaded(service)


def test_a_failure_that_cannot_be_recorded_does_not_stop_other_uploads(
    service: TestClient, database_url: str
) -> None:
    poison(database_url, "old.source = 'poison'")
    answer = service.post("/v1/imports?name=poison", content=POLLS)
    next_one_is_loaded(service)
    next_one_is_loaded(service)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("drop trigger refuse on import")
    assert ended(service, answer)["state"] == "succeeded"  # it was the database, after all


def test_attempts_are_counted_over_restarts(database_url: str, spool: Path) -> None:
    """Five attempts ended the process before it could record anything."""
    with ingest_service(database_url, spool) as service:
        answer = service.post("/v1/imports?name=killer", content=b"")
        ended(service, answer)
    folder = spool / str(answer.json()["id"])
    folder.mkdir()
    (folder / "0000-killer").write_bytes(POLLS)
    with psycopg.connect(database_url) as conn:
        conn.execute("update import set state = 'running', error = null, finished_at = null, attempts = 5")
    with ingest_service(database_url, spool) as service:
        next_one_is_loaded(service)
        shown = ended(service, answer)
        assert (shown["state"], shown["error"]["reason"]) == ("failed", "attempts")
        assert "ended the service's process" in shown["error"]["message"]


def test_readyz_reports_how_long_uploads_wait(service: TestClient, database_url: str) -> None:
    assert service.get("/readyz").json()["components"]["imports"] == "ok"
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "insert into import (id, source, state, created_by, started_at)"
            " values (%s, 'old', 'queued', 'x', clock_timestamp() - interval '2 hours')",
            [new_id()],
        )
    wait_until(lambda: service.get("/readyz").json()["status"] == "degraded", "the next look")
    answer = service.get("/readyz")
    assert answer.status_code == 200
    assert "has waited 7,2" in answer.json()["components"]["imports"]


def test_an_archive_of_many_members_lets_another_keys_upload_pass(
    service: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_upload, "FIRST_TURN_S", 0.0)
    archive = service.post("/v1/imports?name=many.zip", content=zipped(*(f"{n}.csv" for n in range(60))))
    with psycopg.connect(database_url) as conn:
        conn.execute("update import set created_by = 'another'")
    next_one_is_loaded(service)
    assert service.get(archive.headers["location"]).json()["state"] in ("queued", "running")
    assert ended(service, archive)["state"] == "failed"  # each member is an empty file
    with psycopg.connect(database_url) as conn:
        found = conn.execute(
            "select count(*), max(attempts) from import where parent_id is not null"
        ).fetchone()
    assert found == (60, 1)
