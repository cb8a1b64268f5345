"""Stores by HTTP: lists, one store, and a timeline that adds up to the report."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import AsyncConnection

from services.api.use_cases import timeline
from services.api.use_cases.stores import find_store, list_stores
from services.worker.context import WorkerContext
from shared.errors import StoreNotFound
from shared.keys import StoreScope
from shared.reports.acceptance import BatchTerms
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.read import ReportChoice, get_report, list_reports
from shared.reports.trigger import trigger_report
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work
from tests.oracle.report import printed_times

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600 + 30) for day in range(7)]
FLEET = {
    "a/b c": Store(
        [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(900)], "America/New_York", DAYTIME
    ),
    "0042": Store([(NOW - timedelta(days=3), False)]),
    "silent": Store(timezone="Europe/Berlin"),
    "É": Store([(NOW - timedelta(hours=30), True)]),
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        for store_id, labels in (("0042", {"region": "n", "owner": "x"}), ("silent", {"region": "n"})):
            conn.execute("update store set labels = %s where store_id = %s", [json.dumps(labels), store_id])


def listed(api: TestClient, **query: Any) -> list[str]:
    ids: list[str] = []
    while True:
        answer = api.get("/v1/stores", params=query)
        page = answer.json()
        assert answer.status_code == 200, page
        ids += [store["store_id"] for store in page["stores"]]
        if page["next"] is None:
            return ids
        query["cursor"] = page["next"]


def shown(api: TestClient, store_id: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"/v1/stores/{quote(store_id, safe='')}/timeline", params=query)
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 200, body
    return body


@pytest.mark.parametrize("limit", [1, 3, 4, 200])
def test_pages_have_each_store_once_ordered_by_id(api: TestClient, limit: int) -> None:
    assert listed(api, limit=limit) == ["0042", "a/b c", "silent", "É"]


def test_filters_by_label(api: TestClient) -> None:
    assert listed(api, label="region:n") == ["0042", "silent"]
    assert listed(api, label=["region:n", "owner:x"]) == ["0042"]
    assert listed(api, label="region:s") == []


def test_a_store_in_a_list_shows_its_last_poll(api: TestClient) -> None:
    polled, _, silent, _ = api.get("/v1/stores").json()["stores"]
    assert polled == {
        "store_id": "0042",
        "name": None,
        "timezone": "America/Chicago",
        "timezone_is_default": True,
        "labels": {"region": "n", "owner": "x"},
        "first_polled_at": "2024-11-01T18:00:00Z",
        "last_polled_at": "2024-11-01T18:00:00Z",
        "last_status": "inactive",
    }
    assert (silent["timezone"], silent["last_polled_at"], silent["last_status"]) == (
        "Europe/Berlin",
        None,
        None,
    )


def test_one_store(api: TestClient) -> None:
    store = api.get(f"/v1/stores/{quote('a/b c', safe='')}").json()
    assert store["hours"][6] == {
        "day_of_week": 6, "start_time_local": "10:00:00", "end_time_local": "22:00:30"
    }  # fmt: skip
    assert (len(store["hours"]), store["is_open_24x7"], store["timezone_is_default"]) == (7, False, False)
    assert (store["last_status"], store["polls_last_day"]) == ("inactive", 24)
    assert api.get("/v1/stores/0042").json()["is_open_24x7"]
    for nobody in ("nobody", "a", "0042/timelines"):
        problem(api.get(f"/v1/stores/{nobody}"), 404, "store_not_found")
    problem(api.get("/v1/stores/"), 404, "store_not_found")
    for text in ("%00", "a%E2%80%8Bb", "%20"):
        for path in (text, f"{text}/timeline"):
            assert problem(api.get(f"/v1/stores/{path}"), 422, "invalid_request")["field"] == "path.store_id"
    for text in ("%FF", "caf%E9"):
        problem(api.get(f"/v1/stores/{text}"), 400, "bad_request")
    assert api.get("/v1/stores/%E2%80%8B%C2%A00042%20").json()["store_id"] == "0042"
    problem(api.get("/v1/stores/nobody/timeline"), 404, "store_not_found")


@pytest.mark.parametrize("policy", ["classic", "strict", "hold", "backfill-1m", "slots-15m", "carry"])
def test_a_timeline_adds_up_to_the_report(api: TestClient, worker: WorkerContext, policy: str) -> None:
    windows = ["last_hour", "last_day", "last_week", "PT6H", "previous_day", "previous_week", "month_to_date"]
    request = {"as_of": NOW.isoformat(), "policy": policy, "windows": windows, "detail": True}
    report = api.post("/v1/reports", json=request).json()
    work(worker, report["id"])
    file = api.get(f"/v1/reports/{report['id']}").json()["files"][0]
    rows = {row["store_id"]: row for row in csv.DictReader(io.StringIO(httpx2.get(file["url"]).text))}
    for store_id in ("a/b c", "0042"):
        for window in windows:
            body = shown(api, store_id, window=window, as_of=NOW.isoformat(), policy=policy)
            name = {"PT6H": "last_6h"}.get(window, window)
            unit_us = 60_000_000 if window == "last_hour" else 3_600_000_000
            totals = body["totals"]
            printed = printed_times({name: totals[name] for name in totals if name.endswith("_us")}, unit_us)
            for column, field in (
                ("uptime", "up_us"), ("downtime", "down_us"), ("unknown", "unknown_us"), ("uptime_min", "up_min_us")
            ):  # fmt: skip
                assert rows[store_id][f"{column}_{name}"] == printed[field]
            assert rows[store_id][f"polls_{name}"] == str(totals["polls"])
            lengths = {"up": 0, "down": 0, "unknown": 0}
            for segment in body["segments"]:
                length = datetime.fromisoformat(segment["end"]) - datetime.fromisoformat(segment["begin"])
                lengths[segment["state"]] += length // timedelta(microseconds=1)
            assert lengths == {state: totals[f"{state}_us"] for state in lengths}


class TestWindow:
    def test_the_default_is_the_day_before_the_newest_poll(self, api: TestClient) -> None:
        body = shown(api, "0042")
        assert (body["begin"], body["end"], body["as_of"]) == (
            "2024-11-03T18:00:00Z", "2024-11-04T18:00:00Z", "2024-11-04T18:00:00Z"
        )  # fmt: skip
        assert body["totals"]["availability"] is None
        assert [segment["state"] for segment in body["segments"]] == ["unknown"]
        assert body["segments"][0]["begin_rule"] == "window"

    def test_a_window_without_opening_hours_is_empty(self, api: TestClient) -> None:
        night = {"from": "2024-11-02T00:00:00-04:00", "to": "2024-11-02T05:00:00-04:00"}
        body = shown(api, "a/b c", **night)
        assert (body["spans"], body["segments"], body["totals"]["availability"]) == ([], [], None)
        assert {body["totals"][f"{name}_us"] for name in ("open", "up", "down", "unknown")} == {0}
        assert {poll["counts"] for poll in body["polls"]} == {False}

    def test_to_is_the_default_as_of(self, api: TestClient) -> None:
        body = shown(api, "a/b c", **{"from": "2024-11-02T00:00:00-04:00", "to": "2024-11-03T00:00:00-04:00"})
        assert (body["begin"], body["as_of"]) == ("2024-11-02T04:00:00Z", "2024-11-03T04:00:00Z")
        assert body["spans"] == [{"begin": "2024-11-02T14:00:00Z", "end": "2024-11-03T02:00:30Z"}]
        assert body["segments"][-1]["end_rule"] == "edge"
        assert {poll["counts"] for poll in body["polls"]} == {True, False}

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"window": "last_day", "from": "2024-11-02T00:00:00Z"}, "query.window"),
            ({"from": "2024-11-02T00:00:00Z", "to": "2024-11-01T00:00:00Z"}, "query.from"),
            ({"to": "2024-11-02T00:00:00Z", "as_of": "2024-11-01T00:00:00Z"}, "query.from"),
            ({"window": "P63D"}, "query.window"),
            ({"window": "month_of:2099-01"}, "query.window"),
            ({"to": "2024-01-01T00:00:00Z", "as_of": "2024-11-01T00:00:00Z"}, "query.from"),
            ({"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"}, "query.from"),
            ({"window": "yesterday"}, "query.window"),
            ({"policy": "optimistic"}, "query.policy"),
            ({"from": "2024-11-02T00:00:00"}, "query.from"),
            ({"colour": "red"}, "query.colour"),
        ],
    )
    def test_invalid_queries_are_refused(self, api: TestClient, query: dict[str, str], field: str) -> None:
        refused = problem(api.get("/v1/stores/0042/timeline", params=query), 422, "invalid_request")
        assert field in {refused.get("field"), *(found["field"] for found in refused.get("errors", []))}

    def test_too_many_polls_are_refused(self, api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timeline, "MAX_POLLS", 10)
        refused = problem(api.get(f"/v1/stores/{quote('a/b c', safe='')}/timeline"), 422, "invalid_request")
        assert "polls" in refused["detail"]


def test_without_any_poll_a_timeline_needs_a_time(api: TestClient, env: dict[str, str]) -> None:
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update ledger_head set latest_observed_at = null")
    problem(api.get("/v1/stores/silent/timeline"), 422, "invalid_request")
    body = shown(api, "silent", to="2024-11-04T00:00:00Z")
    assert (body["polls"], body["totals"]["unknown_us"]) == ([], 86_400_000_000)


@pytest.mark.parametrize(
    ("query", "field"),
    [({"label": "region"}, "query.label"), ({"limit": 201}, "query.limit"), ({"region": "n"}, "query.region"),
     ({"label": ["a:1", "a:2"]}, "query.label"), ({"cursor": "/w=="}, "query.cursor")],
)  # fmt: skip
def test_invalid_list_queries_are_refused(api: TestClient, query: dict[str, Any], field: str) -> None:
    refused = problem(api.get("/v1/stores", params=query), 422, "invalid_request")
    assert field in {refused.get("field"), *(found["field"] for found in refused.get("errors", []))}


def test_a_limited_key_sees_only_its_stores_and_reports(env: dict[str, str]) -> None:
    asyncio.run(_look_with_a_limited_scope(env["UPTILL_DATABASE_URL"]))


async def _look_with_a_limited_scope(url: str) -> None:
    north = StoreScope({"region": "n"})
    async with await AsyncConnection.connect(url) as conn:
        stores = await list_stores(conn, {}, north, after_id=None, limit=9)
        assert [store.store_id for store in stores] == ["0042", "silent"]
        assert [
            s.store_id for s in await list_stores(conn, {"owner": "x"}, north, after_id=None, limit=9)
        ] == ["0042"]
        with pytest.raises(StoreNotFound):
            await find_store(conn, "É", north)
        await conn.commit()
        everything = await trigger_report(
            conn, ReportRequest("classic"), ReportCaller("op"), BatchTerms(2, 60)
        )
        mine = await trigger_report(
            conn, ReportRequest("classic"), ReportCaller("owner", None, north), BatchTerms(2, 60)
        )
        assert mine.report_id != everything.report_id
        assert (await get_report(conn, mine.report_id, north)).stores_total == 1
        listed_reports = await list_reports(conn, ReportChoice(), north, before_id=None, limit=9)
        assert [report.id for report in listed_reports] == [mine.report_id]
        assert len(await list_reports(conn, ReportChoice(), StoreScope(), before_id=None, limit=9)) == 2


def test_the_last_poll_is_found_however_long_ago(env: dict[str, str]) -> None:
    """Only stores without a recent poll are searched for in all weeks."""
    old = NOW - timedelta(weeks=80)
    fleet = {"both": Store([(old, True), (NOW, False)]), "ended": Store([(old, True)])}
    load_fleet(env["UPTILL_DATABASE_URL"], fleet)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute(
            "select ensure_observation_partition(%s + week * interval '7 days', true) from generate_series(1, 70) week",
            [old],
        )
    few, last = asyncio.run(_find_last(env["UPTILL_DATABASE_URL"], "both"))
    assert (few <= 8, last) == (True, (NOW, False))
    many, last = asyncio.run(_find_last(env["UPTILL_DATABASE_URL"], "ended"))
    assert (many > 70, last) == (True, (old, True))
    asyncio.run(_find_last(env["UPTILL_DATABASE_URL"], "silent"))


async def _find_last(url: str, store_id: str) -> tuple[int, tuple[datetime | None, bool | None]]:
    """Return how many weeks were planned for, and the last poll."""
    async with await AsyncConnection.connect(url) as conn:
        store = await find_store(conn, store_id, StoreScope())
        cursor = await conn.execute(
            "select count(*) from pg_locks join pg_class on oid = relation where pid = pg_backend_pid() and relname ~ %s",
            [r"^observation_\d{4}w\d\d$"],
        )
        row = await cursor.fetchone()
        return row[0] if row else 0, (store.last_polled_at, store.is_active)
