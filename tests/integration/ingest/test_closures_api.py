"""Closures over HTTP: declared, shown, changed and withdrawn, each by those who may."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.keys import create_key
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.service import ingest_service, problem

FRIDAY = {
    "store_id": "a/b",
    "starts_at": "2024-10-18T16:00:00-05:00",
    "ends_at": "2024-10-18T18:30:00-05:00",
    "treatment": "exclude",
    "reason": "force_majeure",
    "note": "The city closed the street.",
}


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool", scopes=("admin",)) as client:
        for store_id, owner in (("a%2Fb", "anna"), ("other", "bert")):
            path = f"/v1/stores/{store_id}/labels?create=true"
            assert client.put(path, json={"labels": {"owner": owner}}).is_success
        yield client


def key(database_url: str, *scopes: str, **labels: str) -> dict[str, str]:
    with psycopg.connect(database_url) as conn:
        made = create_key(conn, name="test", scopes=scopes, store_labels=labels or None)
    return {"Authorization": f"Bearer {made}"}


def declare(
    service: TestClient, body: dict[str, Any], headers: dict[str, str] | None = None
) -> dict[str, Any]:
    answer = service.post("/v1/closures", json=body, headers=headers)
    shown: dict[str, Any] = answer.json()
    assert answer.status_code == 201, shown
    assert answer.headers["location"] == f"/v1/closures/{shown['id']}"
    return shown


def test_the_store_id_follows_the_rule_for_ids(service: TestClient) -> None:
    declared = declare(service, {**FRIDAY, "store_id": "\u00a0other "})
    assert declared["store_id"] == "other"
    found = service.get("/v1/closures", params={"store_id": "other\u200b"}).json()["closures"]
    assert [closure["id"] for closure in found] == [declared["id"]]
    for store_id in ("a\u200bb", " "):
        refused = service.post("/v1/closures", json={**FRIDAY, "store_id": store_id})
        assert problem(refused, 422, "invalid_request")["field"] == "body.store_id"
        listed = service.get("/v1/closures", params={"store_id": store_id})
        problem(listed, 422, "invalid_request")
    problem(service.post("/v1/closures", json={**FRIDAY, "store_id": "8E5"}), 404, "store_not_found")


def test_a_closure_is_declared_changed_and_withdrawn(service: TestClient, database_url: str) -> None:
    declared = declare(service, FRIDAY)
    assert (declared["starts_at"], declared["ends_at"]) == ("2024-10-18T21:00:00Z", "2024-10-18T23:30:00Z")
    assert {name: declared[name] for name in ("store_id", "treatment", "reason", "note")} == {
        name: FRIDAY[name] for name in ("store_id", "treatment", "reason", "note")
    }
    assert service.get(f"/v1/imports/{declared['import_id']}").json()["kind"] == "closures"
    assert declare(service, FRIDAY) == declared, "the same closure again changes nothing"

    path = f"/v1/closures/{declared['id']}"
    changed = service.patch(path, json={"ends_at": None, "treatment": "as_up"}).json()
    assert (changed["ends_at"], changed["treatment"], changed["note"]) == (None, "as_up", FRIDAY["note"])
    assert (changed["id"], changed["declared_at"]) == (declared["id"], declared["declared_at"])
    assert changed["changed_at"] > declared["changed_at"]
    moved = service.patch(path, json={"starts_at": "2024-10-18T20:00:00Z"}).json()
    assert moved["starts_at"] == "2024-10-18T20:00:00Z"
    assert service.get(path).json() == moved

    assert service.delete(path).status_code == 204
    for answer in (service.patch(path, json={"note": "x"}), service.delete(path)):
        problem(answer, 404, "closure_not_found")
    assert service.get(path).json()["withdrawn_at"] is not None
    with psycopg.connect(database_url) as conn:
        versions = conn.execute(
            "select treatment, ends_at is null, until_seq is null from closure order by since_seq"
        ).fetchall()
    assert versions == [("exclude", False, False), ("as_up", True, False), ("as_up", True, False)]
    check_ledger(database_url)


def test_no_two_closures_of_a_store_begin_at_once(service: TestClient) -> None:
    first = declare(service, FRIDAY)
    found = problem(service.post("/v1/closures", json={**FRIDAY, "ends_at": None}), 409, "closure_exists")
    assert first["id"] in found["detail"]
    second = declare(service, {**FRIDAY, "starts_at": "2024-10-18T22:00:00Z"})
    change = service.patch(f"/v1/closures/{second['id']}", json={"starts_at": FRIDAY["starts_at"]})
    problem(change, 409, "closure_exists")
    declare(service, {**FRIDAY, "store_id": "other"})
    declare(service, {**FRIDAY, "store_id": "*"})
    declare(service, {**FRIDAY, "store_id": None, "labels": {"owner": "anna"}})


def test_pages_begin_with_the_latest_start(service: TestClient) -> None:
    starts = [f"2024-10-{day:02}T00:00:00Z" for day in range(10, 15)]
    ids = [declare(service, {**FRIDAY, "starts_at": start, "ends_at": None})["id"] for start in starts]
    listed: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = service.get("/v1/closures", params=query).json()
        listed += [one["id"] for one in page["closures"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert listed == ids[::-1]
    assert service.get("/v1/closures", params={"store_id": "other"}).json()["closures"] == []
    problem(service.get("/v1/closures", params={"cursor": "bm9uc2Vuc2U="}), 422, "invalid_request")


def test_only_administrators_close_several_stores(service: TestClient, database_url: str) -> None:
    closer = key(database_url, "closures:write")
    mine = declare(service, FRIDAY, closer)
    everywhere = declare(service, {**FRIDAY, "store_id": "*"})
    assert (everywhere["store_id"], everywhere["labels"]) == ("*", None)
    labelled = declare(service, {**FRIDAY, "store_id": None, "labels": {"owner": "anna"}})
    assert (labelled["store_id"], labelled["labels"]) == (None, {"owner": "anna"})
    for target in ({"store_id": "*"}, {"store_id": None, "labels": {"owner": "anna"}}):
        body = {**FRIDAY, "starts_at": "2024-01-01T00:00:00Z", **target}
        problem(service.post("/v1/closures", json=body, headers=closer), 403, "forbidden")
    for closure in (everywhere, labelled):
        path = f"/v1/closures/{closure['id']}"
        problem(service.patch(path, json={"note": "x"}, headers=closer), 403, "forbidden")
        problem(service.delete(path, headers=closer), 403, "forbidden")
    assert mine["declared_by"] != everywhere["declared_by"]


def test_owners_have_only_the_closures_of_their_stores(service: TestClient, database_url: str) -> None:
    anna = key(database_url, "closures:write", owner="anna")
    mine = declare(service, FRIDAY, anna)
    foreign = [
        declare(service, {**FRIDAY, "store_id": "other"}),
        declare(service, {**FRIDAY, "store_id": None, "labels": {"owner": "bert"}}),
    ]
    listed = service.get("/v1/closures", headers=anna).json()["closures"]
    assert [one["id"] for one in listed] == [mine["id"]]
    for closure in foreign:
        path = f"/v1/closures/{closure['id']}"
        for answer in (
            service.get(path, headers=anna),
            service.patch(path, json={"note": "x"}, headers=anna),
            service.delete(path, headers=anna),
        ):
            problem(answer, 404, "closure_not_found")
    problem(
        service.post("/v1/closures", json={**FRIDAY, "store_id": "other"}, headers=anna),
        404,
        "store_not_found",
    )
    problem(service.post("/v1/closures", json={**FRIDAY, "store_id": "nobody"}), 404, "store_not_found")


def test_who_reads_reports_sees_what_changed_their_numbers(service: TestClient, database_url: str) -> None:
    """With the scope `reports:read` alone, and within the limits of the key."""
    anna = key(database_url, "reports:read", owner="anna")
    anyone = key(database_url, "reports:read")
    foreign = declare(service, {**FRIDAY, "store_id": "other"})
    mine, everyones = declare(service, FRIDAY), declare(service, {**FRIDAY, "store_id": "*"})
    seen = {
        name: {closure["id"] for closure in service.get("/v1/closures", headers=headers).json()["closures"]}
        for name, headers in (("anna", anna), ("anyone", anyone))
    }
    assert seen["anna"] == {mine["id"], everyones["id"]}
    assert seen["anyone"] == {mine["id"], everyones["id"], foreign["id"]}
    path = f"/v1/closures/{mine['id']}"
    assert service.get(path, headers=anna).json() == service.get(path).json()
    problem(service.get(f"/v1/closures/{foreign['id']}", headers=anna), 404, "closure_not_found")
    for answer in (
        service.post("/v1/closures", json=FRIDAY, headers=anna),
        service.patch(path, json={"note": "x"}, headers=anna),
        service.delete(path, headers=anna),
    ):
        assert "closures:write" in problem(answer, 403, "forbidden")["detail"]
    for scope in ("reports:write", "ingest:write", "metrics:read"):
        refused = service.get("/v1/closures", headers=key(database_url, scope))
        assert "reports:read or closures:write" in problem(refused, 403, "forbidden")["detail"]


def test_owners_see_and_cannot_change_what_others_declared_for_their_stores(
    service: TestClient, database_url: str
) -> None:
    """A closure for every store or for labels changes the numbers of an owner's store."""
    anna = key(database_url, "closures:write", owner="anna")
    nobodys = key(database_url, "closures:write", owner="carl")
    general = [
        declare(service, {**FRIDAY, "store_id": "*"}),
        declare(service, {**FRIDAY, "store_id": None, "labels": {"owner": "anna"}}),
    ]
    listed = service.get("/v1/closures", headers=anna).json()["closures"]
    assert {one["id"] for one in listed} == {one["id"] for one in general}
    assert service.get("/v1/closures", headers=nobodys).json()["closures"] == []
    for closure in general:
        path = f"/v1/closures/{closure['id']}"
        assert service.get(path, headers=anna).json() == service.get(path).json()
        problem(service.patch(path, json={"note": "x"}, headers=anna), 403, "forbidden")
        problem(service.delete(path, headers=anna), 403, "forbidden")
        problem(service.get(path, headers=nobodys), 404, "closure_not_found")
        problem(service.delete(path, headers=nobodys), 404, "closure_not_found")
        assert service.get(path).json()["note"] == FRIDAY["note"]
    # A store that loses the label takes the sight of the closure with it.
    assert service.put("/v1/stores/a%2Fb/labels", json={"labels": {"owner": "bert"}}).is_success
    assert service.get("/v1/closures", headers=anna).json()["closures"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"starts_at": "2024-10-18T16:00:00"}, "body.starts_at"),
        ({"starts_at": "1999-10-18T16:00:00Z"}, "body.starts_at"),
        ({"ends_at": "tomorrow"}, "body.ends_at"),
        ({"ends_at": FRIDAY["starts_at"]}, "body.ends_at"),
        ({"treatment": "closed"}, "body.treatment"),
        ({"reason": "x" * 101}, "body.reason"),
        ({"note": "x" * 2001}, "body.note"),
        ({"labels": {"owner": "anna"}}, "body"),
        ({"store_id": None}, "body"),
        ({"store_id": None, "labels": {}}, "body.labels"),
        ({"store_id": None, "labels": {"a:b": "c"}}, "body.labels"),
        ({"colour": "red"}, "body.colour"),
    ],
)
def test_an_invalid_closure_changes_nothing(
    service: TestClient, database_url: str, change: Any, field: str
) -> None:
    refused = problem(service.post("/v1/closures", json=FRIDAY | change), 422, "invalid_request")
    assert field in {refused.get("field"), *(found["field"] for found in refused.get("errors", []))}
    with psycopg.connect(database_url) as conn:
        assert conn.execute(
            "select count(*), (select adjusted_seq from ledger_head) from closure"
        ).fetchone() == (0, 0)


def test_labels_of_no_store_and_a_missing_end_are_told(service: TestClient) -> None:
    assert declare(service, FRIDAY)["warnings"] == []
    anyone = {**FRIDAY, "store_id": None, "labels": {"owner": "nobody"}, "ends_at": None}
    length, labels = declare(service, anyone)["warnings"]
    assert length.startswith("a closure has no end")
    assert labels == "no store has the labels owner: nobody: check them, or label the stores"
    noted = {**anyone, "labels": {"owner": "anna"}, "treatment": "ignore"}
    assert declare(service, noted)["warnings"] == []
