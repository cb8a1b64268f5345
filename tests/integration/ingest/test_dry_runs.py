"""A dry run tells what a load would give, exactly, and changes nothing: no row, no number, no file in the spool."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.parse.reading import Reading
from services.ingest.quality_warnings import list_warnings
from services.ingest.run import Limits, LoadOptions, ingest_paths, plan_paths
from services.ingest.write.import_result import ImportResult
from shared.ids import new_id
from tests.integration.ingest.database import check_ledger, counts, unchanged
from tests.integration.ingest.service import ended, ingest_service, problem
from tests.integration.ingest.test_http_stores import MONDAY
from tests.reference import applications

BEFORE = {
    "hours.csv": "store_id,day,start_time_local,end_time_local\na,0,10:00,22:00\na,1,10:00,22:00\na,2,10:00,22:00\n",
    "polls.csv": "store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\na,active,2024-09-02 01:00:00 UTC\n",
}
FILES = {
    "zones.csv": "store_id,timezone_str\na,America/Denver\nb,Mars\nc,UTC\n",
    "hours1.csv": "store_id,day,start_time_local,end_time_local\na,0,10:00,12:00\n",
    "hours2.csv": "store_id,day,start_time_local,end_time_local,effective_from\nb,0,10:00,12:00,2025-03-01\nd,1,9:00,10:00,\n",
    "special1.csv": "store_id,date,start_time_local,end_time_local\na,2024-12-25,,\n",
    "special2.csv": "store_id,date,start_time_local,end_time_local\nb,2024-12-24,10:00,14:00\n",
    "lifetimes1.csv": "store_id,opened_at,closed_at\na,2024-05-01T00:00:00Z,\n",
    "lifetimes2.csv": "store_id,opened_at,closed_at\nb,,2024-06-01T00:00:00Z\n",
    "closures1.csv": "store_id,starts_at,ends_at,treatment,reason,note\n*,2024-10-18T21:00:00Z,2024-10-19T21:00:00Z,exclude,,\n",
    "closures2.csv": "store_id,starts_at,ends_at,treatment,reason,note\na,2024-10-20T21:00:00Z,,exclude,,\n",
    "polls1.csv": "store_id,status,timestamp_utc\na,inactive,2024-09-02 00:00:00 UTC\na,active,2024-09-02 01:00:00 UTC\n"
    "e,active,2024-09-03 01:00:00 UTC\ne,active,2024-09-03 01:00:00 UTC\ne,open,2024-09-03 02:00:00 UTC\n",
    "stores1.csv": "store_id,name,region\na,Alpha,north\nf,Foxtrot,\n",
    "stores2.csv": "store_id,name,timezone,opened_at\na,,UTC,2024-04-01T00:00:00Z\nb,Bravo,Mars,\n",
    "text.csv": "nothing\n",
}


@pytest.fixture
def folder(database_url: str, tmp_path: Path) -> Path:
    """Return a folder of files, after others were loaded."""
    for name, files in (("before", BEFORE), ("new", FILES)):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    assert {one.state for one in ingest_paths(database_url, [str(tmp_path / "before")])} == {"succeeded"}
    return tmp_path / "new"


def by_name(results: list[ImportResult]) -> dict[str, ImportResult]:
    return {Path(one.source).name: one for one in results}


def plan_of(result: ImportResult) -> dict[str, Any]:
    plan: Any = (result.quality or {})["plan"]
    return dict(plan)


def test_it_gives_what_a_load_gives(database_url: str, folder: Path) -> None:
    with unchanged(database_url):
        planned = by_name(plan_paths(database_url, [str(folder)]))
    loaded = by_name(ingest_paths(database_url, [str(folder)]))
    for name, one in loaded.items():
        told = planned[name]
        assert (told.state, told.kind, counts(told)) == (one.state, one.kind, counts(one)), name
        assert [each.line for each in told.first_rejects] == [each.line for each in one.first_rejects]
        assert (told.id, told.error) == (None, one.error)
    check_ledger(database_url)


def test_it_tells_stores_dates_and_what_would_be_lost(database_url: str, folder: Path) -> None:
    # A refused file would hold the others back.
    (folder / "text.csv").unlink()
    planned = by_name(plan_paths(database_url, [str(folder)]))
    assert plan_of(planned["polls1.csv"]) == {
        "stores": 2,
        "new_stores": 1,
        "new_stores_list": ["e"],
        "first_date": "2024-09-02",
        "last_date": "2024-09-03",
    }
    removed = [plan_of(planned[name]).get("rows_removed") for name in ("hours1.csv", "hours2.csv")]
    assert {3} == set(removed) - {None}, "of a delivery, once"
    dated = plan_of(planned["hours2.csv"])
    assert (dated["stores"], dated["first_date"]) == (2, "2025-03-01")
    special = plan_of(planned["special2.csv"])
    assert (special["first_date"], special["last_date"]) == ("2024-12-24", "2024-12-24")
    shrunk: Any = planned["hours1.csv"].quality or {}
    assert [store["store_id"] for store in shrunk["stores_shrunk_list"]] == ["a"]
    assert planned["closures1.csv"].accepted == 1


def test_polls_are_compared_chunk_by_chunk(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    rows = [
        f"store-{n % 7},active,2024-09-{1 + n % 28:02} {n % 24:02}:00:{n % 60:02} UTC" for n in range(900)
    ]
    file.write_text("\n".join(["store_id,status,timestamp_utc", *dict.fromkeys(rows)]) + "\n")
    small = Limits(chunk_bytes=4096)
    with unchanged(database_url):
        (planned,) = plan_paths(database_url, [str(file)], options=LoadOptions(limits=small))
    (loaded,) = ingest_paths(database_url, [str(file)], options=LoadOptions(limits=small))
    assert counts(planned) == counts(loaded)
    with unchanged(database_url):
        (again,) = plan_paths(database_url, [str(file)], options=LoadOptions(limits=small))
    assert counts(again) == (0, loaded.accepted, 0, 0)


def test_polls_are_doubted_as_by_a_load(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    rows = [
        "caf\u00e9,on,2024-09-02 00:00:00",
        "#b,On,2024-09-02 00:00:00",
        "c,maintenance,2024-09-02 00:00:00",
    ]
    text = "\n".join(["store_id,status,timestamp_utc,channel", *(f"{row},web" for row in rows), ""])
    file.write_bytes(text.encode("cp1252"))
    options = LoadOptions(limits=Limits(), reading=Reading.parse("on=active"))
    (planned,) = plan_paths(database_url, [str(file)], options=options)
    (loaded,) = ingest_paths(database_url, [str(file)], options=options)
    warnings = list(list_warnings(planned.quality or {}))
    assert warnings == list(list_warnings(loaded.quality or {}))
    for words in (
        "Windows-1252",
        "read as UTC: 2",
        "mapping on=active",
        "maintenance=…",
        "'#b'",
        "'channel'",
    ):
        assert words in "\n".join(warnings)


def test_a_file_that_would_be_stopped(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    file.write_text("store_id,status,timestamp_utc\na,open,2024-09-02 00:00:00 UTC\n")
    with unchanged(database_url):
        (planned,) = plan_paths(database_url, [str(file)])
    (loaded,) = ingest_paths(database_url, [str(file)])
    assert (planned.state, planned.error) == (loaded.state, loaded.error)
    assert [each.line for each in planned.first_rejects] == [2]


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
    for member in loaded["members"]:
        name = member["source"].rpartition("/")[2]
        assert planned[name]["counts"] == member["counts"], name
    assert planned["polls1.csv"]["first_rejects"][0]["reason"] == "status"


def test_an_upload_that_would_be_skipped_says_so(service: TestClient, database_url: str) -> None:
    text = "store_id,timezone_str\nz,UTC\n"
    first = ended(service, service.post("/v1/imports", content=text))
    with unchanged(database_url):
        answer = service.post("/v1/imports", params={"dry_run": True}, content=text).json()
    (found,) = answer["files"]
    assert found["counts"]["rows_read"] == 0
    assert found["quality"]["notes"] == [f"skipped: the same bytes were loaded before (import {first['id']})"]


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


def test_every_call_that_changes_stores_calendars_or_closures_has_one() -> None:
    """Live polls, hooks, whose own dry run is a call, words for reasons and the cancellation of an import have none."""
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
        *((method, "/v1/hooks/{hook}") for method in ("put", "delete", "post")),
        *(("post", f"/v1/hooks/{{hook}}/{what}") for what in ("secret", "dry-run")),
    }
