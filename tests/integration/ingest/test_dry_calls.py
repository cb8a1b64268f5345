"""Calls with `dry_run` tell what they would change, and change nothing: no row, no number, no file in the spool."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.ids import new_id
from tests.integration.ingest.database import unchanged
from tests.integration.ingest.dry_run_files import FILES
from tests.integration.ingest.hooks import MAPPING
from tests.integration.ingest.service import ended, ingest_service, problem
from tests.integration.ingest.test_http_stores import MONDAY
from tests.reference import applications


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool", scopes=("admin",)) as client:
        # The first use of a key is audited.
        client.get("/v1/imports")
        yield client


@pytest.mark.usefixtures("folder")
def test_an_upload_leaves_nothing_behind(service: TestClient, database_url: str, tmp_path: Path) -> None:
    names = sorted(set(FILES) - {"text.csv"})
    files = [("file", (name, FILES[name].encode())) for name in names]
    with unchanged(database_url):
        answer = service.post("/v1/imports?dry_run=true", files=files)
        assert answer.status_code == 200, answer.json()
        problem(
            service.post("/v1/imports?dry_run=true&effective_from=x", files=files), 422, "invalid_request"
        )
        problem(service.post("/v1/imports?dry_run=perhaps", files=files), 422, "invalid_request")
    planned = {one["source"]: one for one in answer.json()["files"]}
    assert [entry.name for entry in (tmp_path / "spool").iterdir() if not entry.name.startswith(".")] == []
    loaded = ended(service, service.post("/v1/imports", files=files))
    # Members are newest first.
    assert list(planned) == [member["source"].rpartition("/")[2] for member in loaded["members"][::-1]]
    for member in loaded["members"]:
        name = member["source"].rpartition("/")[2]
        assert planned[name]["counts"] == member["counts"], name
    assert planned["polls1.csv"]["first_rejects"][0]["reason"] == "status"
    assert all(one["seconds"] > 0 for one in planned.values())


def test_an_upload_that_would_be_skipped_says_so(service: TestClient, database_url: str) -> None:
    text = "store_id,timezone_str\nz,UTC\n"
    first = ended(service, service.post("/v1/imports", content=text))
    with unchanged(database_url):
        answer = service.post("/v1/imports", params={"dry_run": True}, content=text).json()
    (found,) = answer["files"]
    assert found["counts"]["rows_read"] == 0
    assert found["same_as"] == first["id"]
    assert found["first_load"] == {"source": "upload", "at": first["started_at"], "rejected": 0}


@pytest.mark.usefixtures("folder")
def test_a_change_of_one_store(service: TestClient, database_url: str) -> None:
    changes: dict[str, Any] = {
        "hours": {"hours": [MONDAY]},
        "special-hours": {"dates": [{"date": "2024-12-25"}]},
        "lifetime": {"opened_at": "2024-05-01T00:00:00Z"},
        "timezone": {"timezone": "UTC"},
        "labels": {"labels": {"a": "b"}},
    }
    dry = {"dry_run": "true", "create": "true"}
    with unchanged(database_url):
        for store in ("a", "new"):
            for path, body in changes.items():
                answer = service.put(f"/v1/stores/{store}/{path}", json=body, params=dry)
                assert (answer.status_code, answer.json()["import_id"]) == (200, None), answer.json()
                assert answer.json()["counts"]["accepted"] == 1, path
        problem(
            service.put("/v1/stores/new/hours?dry_run=true", json=changes["hours"]), 404, "store_not_found"
        )
    service.put("/v1/stores/a/hours?effective_from=2025-03-01", json=changes["hours"])
    with unchanged(database_url):
        path = "/v1/stores/a/hours"
        assert service.delete(path, params={"dry_run": "true", "effective_from": "2025-03-01"}).is_success
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from store").fetchone() == (1,)


FRIDAY: dict[str, Any] = {
    "store_id": "a",
    "starts_at": "2024-10-18T21:00:00Z",
    "ends_at": "2024-10-18T23:30:00Z",
    "treatment": "exclude",
}


@pytest.mark.usefixtures("folder")
def test_closures(service: TestClient, database_url: str) -> None:
    dry = {"dry_run": "true"}
    with unchanged(database_url):
        planned = service.post("/v1/closures", json=FRIDAY | {"ends_at": None}, params=dry)
        assert planned.status_code == 200
        assert "location" not in planned.headers
        told = planned.json()
        assert (told["id"], told["import_id"], told["store_id"]) == (None, None, "a")
        assert "30 days" in told["warnings"][0]
        for target in ({"store_id": "*"}, {"store_id": None, "labels": {"city": "rome"}}):
            told = service.post("/v1/closures", json=FRIDAY | target, params=dry).json()
            assert {name: told[name] for name in target} == target
        problem(
            service.post("/v1/closures", json=FRIDAY | {"store_id": "x"}, params=dry), 404, "store_not_found"
        )
    held = service.post("/v1/closures", json=FRIDAY).json()
    path = f"/v1/closures/{held['id']}"
    with unchanged(database_url):
        same = service.post("/v1/closures", json=FRIDAY, params=dry).json()
        assert same["id"] == held["id"]
        problem(
            service.post("/v1/closures", json=FRIDAY | {"ends_at": None}, params=dry), 409, "closure_exists"
        )
        changed = service.patch(path, json={"ends_at": None, "note": "still closed"}, params=dry).json()
        kept = {name: held[name] for name in ("id", "starts_at", "treatment", "declared_at")}
        assert changed | kept == changed
        assert (changed["ends_at"], changed["note"], changed["import_id"]) == (None, "still closed", None)
        assert service.delete(path, params=dry).json() == service.get(path).json()
        gone = f"/v1/closures/{new_id()}"
        problem(service.patch(gone, json={"note": "x"}, params=dry), 404, "closure_not_found")
        problem(service.delete(gone, params=dry), 404, "closure_not_found")
    assert service.delete(path).status_code == 204


@pytest.mark.usefixtures("folder")
def test_a_calendar_that_would_be_removed(service: TestClient, database_url: str) -> None:
    dates = [{"date": "2024-12-25"}]
    assert service.put("/v1/calendars/x", json={"labels": {}, "dates": dates}).is_success
    with unchanged(database_url):
        told = service.delete("/v1/calendars/x", params={"dry_run": "true"})
        assert (told.status_code, told.json()) == (200, service.get("/v1/calendars/x").json())
        problem(service.delete("/v1/calendars/y?dry_run=true"), 404, "calendar_not_found")
    assert service.delete("/v1/calendars/x").status_code == 204


def test_a_hook_that_would_be_set(service: TestClient, database_url: str) -> None:
    document: dict[str, Any] = {"mapping": MAPPING, "signature": {"scheme": "standard_webhooks"}}
    for version in (1, 2):
        with unchanged(database_url):
            given = document | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
            told = service.put("/v1/hooks/pos", json=given, params={"dry_run": True})
            assert (told.json()["version"], told.json()["secret"]) == (version, None)
            bad = document | {"mapping": {**MAPPING, "reasons": {"A": "oven_broken"}}}
            problem(service.put("/v1/hooks/pos?dry_run=true", json=bad), 422, "invalid_request")
        assert service.put("/v1/hooks/pos", json=document).json()["version"] == version
        document["description"] = "the till"


def test_every_call_that_changes_stores_calendars_or_closures_has_one() -> None:
    """Live polls, calls of hooks, words for reasons, removed hooks and the cancellation of an import have none."""
    without = {
        (method, path)
        for path, calls in applications()["openapi-ingest.json"].openapi()["paths"].items()
        for method, call in calls.items()
        if method != "get" and "dry_run" not in {each["name"] for each in call.get("parameters", ())}
    }
    assert without == {
        ("post", "/v1/observations"),
        ("delete", "/v1/imports/{import_id}"),
        *((method, "/v1/reasons/{word}") for method in ("put", "delete")),
        *((method, "/v1/hooks/{hook}") for method in ("delete", "post")),
        *(("post", f"/v1/hooks/{{hook}}/{what}") for what in ("secret", "dry-run")),
    }
