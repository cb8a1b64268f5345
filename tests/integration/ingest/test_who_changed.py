"""Who changed hours, zones, names, labels and closures is in the audit, beside the store, and in the lists of imports."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.use_cases.store_makers import LastChange, read_makers
from services.api.use_cases.stores import find_store
from services.ingest.run import ingest_paths
from shared.keys import StoreScope
from tests.integration.ingest.service import ingest_service

HOURS = {"hours": [{"day_of_week": 0, "start_time_local": "10:00", "end_time_local": "22:00"}]}
CLOSURE = {"store_id": "a", "starts_at": "2024-10-18T21:00:00Z", "treatment": "exclude", "note": "storm"}
CALLS = {
    "timezone": ({"timezone": "America/Denver"}, "timezones"),
    "hours": (HOURS, "hours"),
    "name": ({"name": "Alpha"}, "stores"),
    "labels": ({"labels": {"region": "north"}}, "labels"),
}


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(
        database_url, tmp_path / "spool", scopes=("ingest:write", "closures:write", "reports:read")
    ) as client:
        with psycopg.connect(database_url) as conn:
            conn.execute("insert into store (store_id) values ('a'), ('b')")
        yield client


def audited(database_url: str) -> list[tuple[str, str, str, Mapping[str, Any]]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(
            "select actor, action, subject, details from audit where action in ('stores.changed', 'hours.adjusted')"
            " order by id"
        ).fetchall()


def key_prefix(database_url: str) -> str:
    with psycopg.connect(database_url) as conn:
        ((prefix,),) = conn.execute("select prefix from api_key where name = 'test'").fetchall()
    return str(prefix)


def makers(
    database_url: str, store_id: str, labels: Mapping[str, str] | None = None
) -> Mapping[str, LastChange]:
    visible = StoreScope(labels)

    async def read() -> Mapping[str, LastChange]:
        async with await psycopg.AsyncConnection.connect(database_url) as conn:
            return await read_makers(conn, await find_store(conn, store_id, visible), visible)

    return asyncio.run(read())


@pytest.mark.parametrize("field", CALLS)
def test_a_call_that_changes_a_store_is_audited(service: TestClient, database_url: str, field: str) -> None:
    body, kind = CALLS[field]
    for _ in range(2):
        made = service.put(f"/v1/stores/a/{field}", json=body).json()
    # The second call changes nothing.
    ((actor, action, subject, details),) = audited(database_url)
    assert (actor, action) == (key_prefix(database_url), "stores.changed")
    assert (subject != made["import_id"], details) == (True, {"kind": kind, "source": "store a"})
    service.put(f"/v1/stores/a/{field}", params={"dry_run": "true"}, json=CALLS["hours"][0])
    assert len(audited(database_url)) == 1


def test_a_file_has_one_entry(database_url: str, tmp_path: Path) -> None:
    files = {
        "zones.csv": "store_id,timezone_str\n" + "".join(f"s{n},UTC\n" for n in range(50)),
        "hours.csv": "store_id,day,start_time_local,end_time_local\na,0,9:00,17:00\nb,0,9:00,17:00\n",
        "stores.csv": "store_id,name,opened_at\na,Alpha,2024-05-01T00:00:00Z\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        ingest_paths(database_url, [str(tmp_path / name)])
    found = [(action, details) for _, action, _, details in audited(database_url)]
    sources = {name: str(tmp_path / name) for name in files}
    assert found == [
        ("stores.changed", {"kind": "timezones", "source": sources["zones.csv"]}),
        ("stores.changed", {"kind": "hours", "source": sources["hours.csv"]}),
        ("stores.changed", {"kind": "stores", "source": sources["stores.csv"]}),
        (
            "hours.adjusted",
            {"kind": "stores", "source": sources["stores.csv"], "tables": ["lifetime"], "store_id": "a"},
        ),
    ]


def test_a_store_tells_who_set_its_hours_and_zone(
    service: TestClient, database_url: str, tmp_path: Path
) -> None:
    assert makers(database_url, "a") == {}
    file = tmp_path / "zones.csv"
    file.write_text("store_id,timezone_str\na,America/Denver\nb,UTC\n")
    (loaded,) = ingest_paths(database_url, [str(file)])
    hours = service.put("/v1/stores/a/hours", json=HOURS).json()["import_id"]
    found = makers(database_url, "a")
    zone = found["timezone"]
    assert (zone.import_id, zone.source, zone.changed_by) == (loaded.id, str(file), None)
    assert (str(found["hours"].import_id), found["hours"].source) == (hours, "store a")
    assert found["hours"].changed_by == key_prefix(database_url)
    assert set(makers(database_url, "b")) == {"timezone"}
    removed = service.put("/v1/stores/a/hours", json={"hours": []}).json()["import_id"]
    assert str(makers(database_url, "a")["hours"].import_id) == removed
    dated = service.put("/v1/stores/a/hours", params={"effective_from": "2025-01-01"}, json=HOURS).json()
    assert str(makers(database_url, "a")["hours"].import_id) == dated["import_id"]
    # What a limited key may know.
    service.put("/v1/stores/a/labels", json={"labels": {"owner": "anna"}})
    limited = makers(database_url, "a", {"owner": "anna"})["hours"]
    assert (limited.import_id, limited.source) == (None, None)
    assert limited.changed_at is not None


def test_a_forgotten_import_leaves_who_and_when(service: TestClient, database_url: str) -> None:
    service.put("/v1/stores/a/timezone", json={"timezone": "UTC"})
    with psycopg.connect(database_url) as conn:
        conn.execute("delete from import")
    (zone,) = makers(database_url, "a").values()
    assert (zone.source, zone.changed_by) == (None, key_prefix(database_url))


def test_a_withdrawn_closure_is_shown_and_restored(service: TestClient, database_url: str) -> None:
    made = service.post("/v1/closures", json=CLOSURE).json()
    path = f"/v1/closures/{made['id']}"
    assert (made["withdrawn_at"], made["withdrawn_by"]) == (None, None)
    service.patch(path, json={"reason": "force_majeure"})
    assert service.delete(path).status_code == 204
    shown = service.get(path).json()
    assert (shown["note"], shown["reason"], shown["withdrawn_by"]) == (
        "storm",
        "force_majeure",
        key_prefix(database_url),
    )
    assert shown["withdrawn_at"] is not None
    assert service.get("/v1/closures").json()["closures"] == []
    (listed,) = service.get("/v1/closures", params={"withdrawn": "true", "store_id": "a"}).json()["closures"]
    assert listed == shown
    assert service.delete(path).status_code == 404

    tried = service.post(f"{path}/restore", params={"dry_run": "true"})
    assert tried.json()["withdrawn_at"] is None
    assert (tried.status_code, service.get(path).json()) == (200, shown)
    restored = service.post(f"{path}/restore").json()
    terms = ("id", "starts_at", "ends_at", "treatment", "reason", "note", "declared_at", "declared_by")
    assert [restored[name] for name in terms] == [shown[name] for name in terms]
    assert restored["withdrawn_at"] is None
    assert service.get("/v1/closures", params={"withdrawn": "true"}).json()["closures"] == []
    assert service.post(f"{path}/restore").json() == restored

    service.delete(path)
    again = service.post("/v1/closures", json=CLOSURE).json()
    assert again["id"] != made["id"]
    assert service.post(f"{path}/restore").status_code == 409


def test_a_key_restores_only_what_it_may_withdraw(
    service: TestClient, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "closures.csv"
    file.write_text("store_id,starts_at,ends_at,treatment,reason,note\n*,2024-10-18T21:00:00Z,,exclude,,\n")
    ingest_paths(database_url, [str(file)])
    (closure,) = service.get("/v1/closures").json()["closures"]
    with ingest_service(database_url, tmp_path / "spool2", scopes=("admin",)) as admin:
        assert admin.delete(f"/v1/closures/{closure['id']}").status_code == 204
        assert service.post(f"/v1/closures/{closure['id']}/restore").status_code == 403
        assert admin.post(f"/v1/closures/{closure['id']}/restore").status_code == 200


def test_the_list_of_imports_names_a_withdrawal(service: TestClient) -> None:
    made = service.post("/v1/closures", json=CLOSURE).json()
    service.delete(f"/v1/closures/{made['id']}")
    service.post(f"/v1/closures/{made['id']}/restore")
    listed = [
        (one["source"], one["counts"]["accepted"], one["counts"]["corrected"])
        for one in service.get("/v1/imports").json()["imports"]
    ]
    assert listed == [
        (f"restoration of closure {made['id']}", 1, 0),
        (f"withdrawal of closure {made['id']}", 0, 1),
        ("closure of store a", 1, 0),
    ]
