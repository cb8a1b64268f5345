"""Waiting uploads whose files disappear (a file, a folder, or the whole spool) fail with that reason."""

import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.http.importer import Importer
from tests.fixtures.services import wait_until
from tests.integration.ingest.service import ended, ingest_service

POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def one_and_form(database_url: str, spool: Path) -> tuple[Any, Any]:
    """Upload a file and a form to a service that ends before it loads them."""
    with ingest_service(database_url, spool) as service:
        importer = importer_of(service)
        importer.stop()
        wait_until(lambda: not importer.is_alive, "the end of the importer")
        files = [("f", ("a.csv", POLLS)), ("f", ("b.csv", POLLS))]
        return service.post("/v1/imports?name=one", content=POLLS), service.post("/v1/imports", files=files)


def importer_of(service: TestClient) -> Importer:
    found: Importer = service.app.state.context.importer  # type: ignore[attr-defined]
    return found


def is_lost(service: TestClient, answer: Any, saying: str) -> None:
    shown = ended(service, answer)
    assert (shown["state"], shown["error"]["reason"]) == ("failed", "upload_lost")
    assert saying in shown["error"]["message"]


def is_loaded(service: TestClient, answer: Any) -> None:
    shown = ended(service, answer)
    assert shown["state"] == "succeeded", shown


def folder_of(spool: Path, answer: Any) -> Path:
    return spool / str(answer.json()["id"])


def test_one_folder(database_url: str, spool: Path, one_and_form: tuple[Any, Any]) -> None:
    one, form = one_and_form
    shutil.rmtree(folder_of(spool, one))
    with ingest_service(database_url, spool) as service:
        is_lost(service, one, "gone from the spool")
        is_loaded(service, form)


def test_one_file(database_url: str, spool: Path, one_and_form: tuple[Any, Any]) -> None:
    one, form = one_and_form
    next(folder_of(spool, form).glob("0001-*")).unlink()
    with ingest_service(database_url, spool) as service:
        is_lost(service, form, "'b.csv' is gone")
        is_loaded(service, one)
        wait_until(lambda: not folder_of(spool, form).exists(), "the rest of it to be removed")


def test_a_file_that_kept_its_length(database_url: str, spool: Path, one_and_form: tuple[Any, Any]) -> None:
    """Each file of a form is compared with its own bytes, not only the upload with all of them."""
    one, form = one_and_form
    changed = next(folder_of(spool, form).glob("0001-*"))
    changed.write_bytes(changed.read_bytes().replace(b"active", b"ACTIVE"))
    with ingest_service(database_url, spool) as service:
        is_lost(service, form, "'b.csv' has changed in the spool")
        is_loaded(service, one)
        wait_until(lambda: not folder_of(spool, form).exists(), "the rest of it to be removed")


def test_the_whole_spool(database_url: str, spool: Path, one_and_form: tuple[Any, Any]) -> None:
    """Another spool takes its place. If the old one comes back, its uploads resume."""
    away = spool.with_name("away")
    spool.rename(away)
    with ingest_service(database_url, spool) as service:
        for answer in one_and_form:
            is_lost(service, answer, "gone from the spool")
    shutil.rmtree(spool)
    away.rename(spool)
    with ingest_service(database_url, spool) as service:
        importer_of(service).notify()
        wait_until(
            lambda: {state_of(service, answer) for answer in one_and_form} == {"succeeded"},
            "the uploads that came back",
        )


def test_while_the_service_runs(database_url: str, spool: Path) -> None:
    with (
        psycopg.connect(database_url, autocommit=True) as conn,
        ingest_service(database_url, spool) as service,
    ):
        conn.execute("select pg_advisory_lock(hashtextextended('uptill.ingest', 0))")
        running = service.post("/v1/imports?name=running", content=POLLS)
        queued = service.post("/v1/imports?name=queued", content=POLLS)
        shutil.rmtree(folder_of(spool, queued))
        conn.execute("select pg_advisory_unlock(hashtextextended('uptill.ingest', 0))")
        is_loaded(service, running)
        importer_of(service).notify()
        is_lost(service, queued, "gone from the spool")


def test_another_services_spool_is_not_lost_while_it_is_seen(
    database_url: str, spool: Path, one_and_form: tuple[Any, Any]
) -> None:
    one, _ = one_and_form
    other = spool.with_name("other")
    with (
        ingest_service(database_url, other) as service,
        psycopg.connect(database_url, autocommit=True) as conn,
    ):
        is_loaded(service, service.post("/v1/imports?name=mine", content=POLLS))
        assert state_of(service, one) == "queued"
        conn.execute("update spool set seen_at = seen_at - interval '2 hours'")
        importer_of(service).notify()
        is_lost(service, one, "gone from the spool")


def state_of(service: TestClient, answer: Any) -> str:
    return str(service.get(f"/v1/imports/{answer.json()['id']}").json()["state"])


def test_a_removed_spool_is_created_again(database_url: str, spool: Path) -> None:
    with ingest_service(database_url, spool) as service:
        ended(service, service.post("/v1/imports?name=before", content=POLLS))
        # The importer removes the upload after its import has ended.
        wait_until(lambda: not any(entry.is_dir() for entry in spool.iterdir()), "the upload's removal")
        shutil.rmtree(spool)
        after = ended(service, service.post("/v1/imports?name=after", content=POLLS))
        assert after["state"] == "succeeded"
        assert service.get("/readyz").json()["components"]["spool"] == "ok"
