"""Outages by HTTP: the same as in the file of a report, filtered, sorted and in pages."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.use_cases import outages
from services.worker.context import WorkerContext
from shared.http.cursors import text_cursor
from shared.keys import create_key
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600 + 30) for day in range(7)]
FLEET = {
    "a/b c": Store(
        [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(900)], "America/New_York", DAYTIME
    ),
    "0042": Store([(NOW - timedelta(days=3), False)]),
    "night": Store(
        [(NOW - timedelta(minutes=47 * n), n % 9 > 3) for n in range(900)], "Asia/Kathmandu", DAYTIME
    ),
    "silent": Store(timezone="Europe/Berlin"),
    "É": Store([(NOW - timedelta(minutes=53 * n), n % 4 != 0) for n in range(600)]),
}


@pytest.fixture(autouse=True)
def conn(env: dict[str, str]) -> Iterator[psycopg.Connection]:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        for store_id, labels in (("0042", {"region": "n", "owner": "x"}), ("É", {"region": "n"})):
            conn.execute("update store set labels = %s where store_id = %s", [json.dumps(labels), store_id])
        yield conn


def listed(api: TestClient, path: str = "/v1/outages", **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = api.get(path, params=query)
        page = answer.json()
        assert answer.status_code == 200, page
        assert len(page["outages"]) <= query.get("limit", 50)
        found += page["outages"]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


def starts(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(outage["store_id"], outage["started_at"]) for outage in found]


@pytest.mark.parametrize("policy", ["classic", "carry", "backfill-1m"])
def test_they_are_those_of_a_report(api: TestClient, worker: WorkerContext, policy: str) -> None:
    asked = {"windows": ["last_week"], "files": ["outages"], "policy": policy}
    report_id = api.post("/v1/reports", json=asked).json()["id"]
    work(worker, report_id)
    report = api.get(f"/v1/reports/{report_id}").json()
    assert report["requested_files"] == ["report", "outages"]
    assert [(file["name"], file["kind"]) for file in report["files"]] == [
        ("report.csv", "report"),
        ("outages.csv", "outages"),
    ]
    linked = api.get(f"/v1/reports/{report_id}/files/outages.csv", follow_redirects=False)
    rows = list(csv.DictReader(io.StringIO(httpx2.get(linked.headers["location"]).text)))
    assert len(rows) == report["files"][1]["rows"] > 50
    found = listed(api, window="last_week", policy=policy, limit=7)
    assert sorted(map(as_row, found), key=in_file_order) == sorted(
        map(without_window, rows), key=in_file_order
    )
    assert (
        starts(found) == sorted(starts(found), key=lambda pair: (pair[1], [-ord(c) for c in pair[0]]))[::-1]
    )


def as_row(outage: dict[str, Any]) -> dict[str, str]:
    outage = {**outage, "reasons": " ".join(outage["reasons"])}
    row = {
        name: "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in outage.items()
        if name not in ("timezone", "down_us")
    }
    down = outage["down_us"]
    return (
        row
        | {"down_s": f"{down // 1_000_000}.{down % 1_000_000:06}"}
        | {name: exact(text) for name, text in row.items() if name.endswith("_at")}
    )


def exact(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%dT%H:%M:%S.%fZ}" if text else ""


def without_window(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name != "window" and not name.endswith("_local")}


def in_file_order(row: dict[str, str]) -> tuple[str, str]:
    return row["store_id"], row["started_at"]


def test_an_outage_shows_the_polls_that_bound_it(api: TestClient) -> None:
    first = listed(api, "/v1/stores/%C3%89/outages", window="last_day")[0]
    assert first == {
        "store_id": "É",
        "timezone": "America/Chicago",
        "started_at": "2024-11-04T17:33:30Z",
        "ended_at": None,
        "end": "ongoing",
        "down_us": 26 * 60_000_000 + 30_000_000,
        "polls": 1,
        "last_up_poll_at": "2024-11-04T17:07:00Z",
        "first_down_poll_at": "2024-11-04T18:00:00Z",
        "last_down_poll_at": "2024-11-04T18:00:00Z",
        "first_up_poll_at": None,
        "began_at_opening": False,
        "starts_before_window": False,
        "reasons": [],
    }


def test_filters(api: TestClient) -> None:
    week = listed(api, window="last_week")

    def filtered(**query: Any) -> list[dict[str, Any]]:
        found = listed(api, window="last_week", **query)
        assert 0 < len(found) < len(week)
        return found

    assert filtered(min_length="PT1H") == [one for one in week if one["down_us"] >= 3_600_000_000]
    assert filtered(ongoing="true") == [one for one in week if one["ended_at"] is None]
    assert filtered(ongoing="false") == [one for one in week if one["ended_at"] is not None]
    assert filtered(reason="unknown_end") == [one for one in week if one["end"] == "unknown"]
    assert filtered(reason="late_opening") == [one for one in week if one["began_at_opening"]]
    assert filtered(label="region:n") == [one for one in week if one["store_id"] in ("0042", "É")]
    assert filtered(store=["night", "a/b c"]) == [
        one for one in week if one["store_id"] in ("night", "a/b c")
    ]
    assert filtered(store="night") == listed(api, "/v1/stores/night/outages", window="last_week")
    by_length = listed(api, window="last_week", sort="length", limit=3)
    assert by_length == sorted(week, key=lambda one: one["down_us"], reverse=True)
    assert listed(api, label="region:s") == []


def test_from_and_to_are_the_window_that_they_name(api: TestClient) -> None:
    begin, end = (NOW - timedelta(days=7)).isoformat(), NOW.isoformat()
    week = listed(api, window="last_week")
    assert listed(api, **{"from": begin, "to": end}) == week
    assert listed(api) == listed(api, window="last_day") != week


def test_pages_keep_the_as_of_of_the_first(api: TestClient, conn: psycopg.Connection) -> None:
    first = api.get("/v1/outages", params={"window": "last_week", "limit": 5}).json()
    rest = listed(api, window="last_week", cursor=first["next"])
    later = NOW + timedelta(hours=2)
    conn.execute(
        "insert into observation select store_key, %s, false from store where store_id = '0042'", [later]
    )
    conn.execute("update ledger_head set latest_observed_at = %s", [later])
    assert listed(api, window="last_week", cursor=first["next"]) == rest
    assert listed(api, window="last_week")[:5] != first["outages"]


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/v1/outages", {"sort": "length"}),
        ("/v1/outages", {"store": "0042"}),
        ("/v1/outages", {"window": "last_day"}),
        ("/v1/outages", {"ongoing": True}),
        ("/v1/outages", {"policy": "hold"}),
        ("/v1/stores/0042/outages", {}),
    ],
)
def test_a_cursor_is_for_its_own_list(api: TestClient, path: str, other: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"window": "last_week", "limit": 2}
    cursor = api.get("/v1/outages", params=asked).json()["next"]
    assert api.get("/v1/outages", params={**asked, "limit": 5, "cursor": cursor}).status_code == 200
    refused = problem(api.get(path, params={**asked, **other, "cursor": cursor}), 422, "invalid_request")
    assert (refused["field"], "another list" in refused["detail"]) == ("query.cursor", True)


def test_closures_and_lifetimes_count(api: TestClient, conn: psycopg.Connection) -> None:
    before = listed(api, "/v1/stores/%C3%89/outages")
    conn.execute(
        "insert into lifetime (store_key, opened_at, since_seq) select store_key, %s, 2 from store where store_id = 'É'",
        [NOW - timedelta(hours=6)],
    )
    conn.execute("update ledger_head set seq = 2, data_cut = 2, adjusted_seq = 2")
    after = listed(api, "/v1/stores/%C3%89/outages")
    kept = (NOW - timedelta(hours=6)).isoformat()
    assert len(after) < len(before)
    assert all(one["started_at"] >= kept[:19] for one in after)


def test_a_key_sees_only_its_stores(api: TestClient, conn: psycopg.Connection) -> None:
    key = create_key(conn, name="x", scopes=["reports:read"], store_labels={"owner": "x"})
    headers = {"Authorization": f"Bearer {key}"}
    seen = api.get("/v1/outages", params={"window": "last_week"}, headers=headers).json()["outages"]
    assert {one["store_id"] for one in seen} == {"0042"}
    foreign = api.get("/v1/stores/night/outages", headers=headers)
    problem(foreign, 404, "store_not_found")
    problem(api.get("/v1/outages", params={"store": "night"}, headers=headers), 422, "invalid_request")


def test_a_store_that_cannot_be_computed_is_named(api: TestClient, conn: psycopg.Connection) -> None:
    whole = listed(api, window="last_week", store=["a/b c", "É"])
    conn.execute("update store set timezone = 'Mars/Base' where store_id = 'night'")
    page = api.get("/v1/outages", params={"window": "last_week", "limit": 200}).json()
    assert [(one["store_id"], one["reason"]) for one in page["failed_stores"]] == [
        ("night", "unknown_timezone")
    ]
    assert [one for one in page["outages"] if one["store_id"] != "0042"] == whole
    failed = problem(api.get("/v1/stores/night/outages"), 409, "store_failed")
    assert "Mars/Base" in failed["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"window": "P1M"}, "query.window"),
        ({"window": "last_day", "from": NOW.isoformat()}, "query.window"),
        ({"from": NOW.isoformat(), "to": (NOW - timedelta(1)).isoformat()}, "query.from"),
        ({"from": (NOW - timedelta(80)).isoformat(), "to": NOW.isoformat()}, "query.from"),
        ({"window": "P300D"}, "query.window"),
        ({"window": "month_of:2099-01"}, "query.window"),
        ({"min_length": "last_day"}, "query.min_length"),
        ({"min_length": "30"}, "query.min_length"),
        ({"reason": "weather"}, "query.reason"),
        ({"sort": "down"}, "query.sort"),
        ({"ongoing": "maybe"}, "query.ongoing"),
        ({"label": "region"}, "query.label"),
        ({"store": "nobody"}, "query.store"),
        ({"limit": 0}, "query.limit"),
        ({"cursor": "x"}, "query.cursor"),
        ({"cursor": text_cursor("[1, 2, 3]")}, "query.cursor"),
        ({"cursor": text_cursor('[1, 2, 3, "a", 5, 6]')}, "query.cursor"),
        ({"cursor": text_cursor('[1, 2.5, 3, "a", 5]')}, "query.cursor"),
        ({"cursor": text_cursor("[1, 2, 3, 4, 5]")}, "query.cursor"),
        ({"cursor": text_cursor('[1, 2, 3, "a", null]')}, "query.cursor"),
        ({"cursor": text_cursor('[1e99, 2, 3, "a", 5]')}, "query.cursor"),
        ({"cursor": text_cursor(f'[{10**30}, 2, 3, "a", 5]')}, "query.cursor"),
        ({"stores": "a"}, "query.stores"),
    ],
)
def test_invalid_queries_are_refused_with_the_field(api: TestClient, query: Any, field: str) -> None:
    refused = problem(api.get("/v1/outages", params=query), 422, "invalid_request")
    assert field in (refused.get("field"), refused.get("errors", [{}])[0].get("field"))


def test_too_much_names_the_limit_and_the_way(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "MAX_STORES", 2)
    refused = problem(api.get("/v1/outages"), 422, "invalid_request")
    assert "more than 2 stores" in refused["detail"]
    assert '"files": ["report", "outages"]' in refused["detail"]
    assert api.get("/v1/outages", params={"label": "region:n"}).status_code == 200
    monkeypatch.setattr(outages, "MAX_POLLS", 100)
    refused = problem(api.get("/v1/outages", params={"label": "region:n"}), 422, "invalid_request")
    assert "more than 100 polls" in refused["detail"]


def test_without_a_poll_there_is_no_last_day(api: TestClient, conn: psycopg.Connection) -> None:
    conn.execute("update ledger_head set latest_observed_at = null")
    assert problem(api.get("/v1/outages"), 422, "invalid_request")["field"] == "query.to"


def test_one_store_by_its_path(api: TestClient) -> None:
    path = f"/v1/stores/{quote('a/b c', safe='')}/outages"
    assert {one["store_id"] for one in listed(api, path)} == {"a/b c"}
    problem(api.get("/v1/stores/nobody/outages"), 404, "store_not_found")
    assert listed(api, "/v1/stores/silent/outages") == []
