"""Runs of insights: by HTTP and by the scheduler, what they conclude, who sees it, and what a change of data makes them redo."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from fastapi.testclient import TestClient
from psycopg import AsyncConnection

from services.worker.compute_batch import compute_batch, compute_next
from services.worker.context import WorkerContext
from shared.insight_runs.jobs import last_ended_day, nightly_run
from shared.insights.terms import WEEKS
from shared.keys import create_key
from shared.reports.acceptance import BatchTerms
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem
from tests.integration.insights.insight_fleet import DAYTIME, FLEET, LATE, NOW, STORES, run_insights


def test_a_run_concludes_risk_and_patterns_with_their_skill(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    assert api.get("/v1/insights/skill").json() == {"methods": []}
    assert api.get("/v1/insights/risk").json()["stores"] == []
    assert api.get("/v1/insights/patterns").json() == {"method": None, "findings": [], "next": None}
    found = run_insights(api, worker)
    assert found["progress"] == {"stores_done": STORES, "stores_total": STORES}
    assert (found["first_day"], found["last_day"]) == ("2024-08-18", "2024-10-12")
    methods = {each["method"]: each for each in api.get("/v1/insights/skill").json()["methods"]}
    assert set(methods) == {
        "risk_1h",
        "risk_2h",
        "risk_3h",
        "risk_6h",
        "risk_12h",
        "risk_24h",
        "patterns",
        "causes",
        "drift",
    }
    one_hour = methods["risk_1h"]
    assert one_hour["is_on"], one_hour
    assert one_hour["skill"]["store_mean"]["value"] > 0.2
    assert one_hour["skill"]["store_mean"]["low"] <= one_hour["skill"]["store_mean"]["value"]
    assert one_hour["hours"] == STORES * 28 * 12
    assert one_hour["sentence"].startswith("On: its error is ")

    (pattern,) = api.get("/v1/insights/patterns").json()["findings"]
    assert (pattern["store_id"], pattern["label"]) == (LATE, None)
    assert pattern["sentence"].startswith("Late opening on Sundays: down 10:00-1"), pattern
    assert pattern["evidence"]["weeks_down"] == pattern["evidence"]["weeks"] == WEEKS

    (drift,) = api.get("/v1/insights/drift").json()["findings"]
    assert drift["store_id"] == "s01"
    assert drift["sentence"].startswith("Down more often since 2024-09-1"), drift
    assert drift["evidence"]["rate_after"] > 0.4 > drift["evidence"]["rate_before"]

    (cause,) = api.get("/v1/insights/causes").json()["findings"]
    assert (cause["store_id"], cause["label"]) == (None, {"franchise": "X"})
    assert " stores with franchise=X went down between 2024-10-10 1" in cause["sentence"]
    assert cause["evidence"]["stores_down"] == cause["evidence"]["stores"] >= 5

    rates = {
        (name, value): rate for name, value, rate in conn.execute("select * from outage_rate").fetchall()
    }
    assert 0.02 < rates["", ""] < 0.1
    assert all(rate >= rates["", ""] for rate in rates.values())

    page = api.get("/v1/insights/risk", params={"limit": 7}).json()
    assert page["begins_at"] == "2024-10-14T11:30:00Z", "the data is old, so its newest poll is the present"
    assert [len(store["hours"]) for store in page["stores"]] == [24] * 7
    assert page["stores"][0]["hours"][0]["at"] == "2024-10-14T12:00:00Z"
    seen = [store["store_id"] for store in page["stores"]]
    while page["next"]:
        page = api.get("/v1/insights/risk", params={"limit": 7, "cursor": page["next"]}).json()
        seen += [store["store_id"] for store in page["stores"]]
    assert sorted(seen) == sorted(FLEET)
    (late,) = api.get("/v1/insights/risk", params={"store": LATE}).json()["stores"]
    by_hour = {hour["at"]: hour["probability"] for hour in late["hours"]}
    assert all(value is None or 0 <= value <= 1 for value in by_hour.values())
    # A job it is, and no report.
    problem(api.get(f"/v1/reports/{found['id']}"), 404, "report_not_found")
    assert api.get("/v1/reports").json()["reports"] == []


def test_without_data_a_skill_is_null_and_not_zero(
    api: TestClient, worker: WorkerContext, database_url: str
) -> None:
    load_fleet(database_url, {f"s{n}": Store([(NOW, True)], "UTC", DAYTIME) for n in range(3)})
    run_insights(api, worker)
    for method in api.get("/v1/insights/skill").json()["methods"]:
        assert method["skill"] == {"fleet_rate": None, "store_mean": None}
        assert (method["is_on"], method["hours"], method["top_precision"]) == (False, 0, None)
        assert method["sentence"].startswith("Off: nothing was predicted in the last four weeks")
    assert api.get("/v1/insights/risk").json()["stores"] == []


def test_a_store_whose_next_hours_are_beyond_the_proven_distance_has_no_expected_hours(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    run_insights(api, worker)
    conn.execute("update insight_skill set is_on = method = 'risk_2h' where method like 'risk%'")
    # After the run's newest poll, it is open for one hour.
    conn.execute(
        "update store_hours set coming = set_byte(decode(repeat('00', length(coming)), 'hex'), 36, 60)"
        " where store_key = (select store_key from store where store_id = %s)",
        [LATE],
    )
    (late,) = api.get("/v1/insights/risk", params={"store": LATE}).json()["stores"]
    assert [hour["probability"] for hour in late["hours"]] == [None]
    assert late["expected_down_hours"] is None
    assert late["sentence"] == "Nothing is known about its next open hours."
    (other,) = api.get("/v1/insights/risk", params={"store": "s01"}).json()["stores"]
    assert other["expected_down_hours"] == round(other["hours"][1]["probability"], 4) > 0


def test_callers_see_their_stores(api: TestClient, worker: WorkerContext, conn: psycopg.Connection) -> None:
    run_insights(api, worker)
    key = create_key(conn, name="north", scopes=["reports:read"], store_labels={"region": "north"})
    headers = {"Authorization": f"Bearer {key}"}
    north = {"late", *(f"s{n:02}" for n in range(1, 10))}
    seen = api.get("/v1/insights/risk", headers=headers).json()["stores"]
    assert {store["store_id"] for store in seen} == north
    assert {store["labels"]["region"] for store in seen} == {"north"}
    assert len(api.get("/v1/insights/patterns", headers=headers).json()["findings"]) == 1
    south = create_key(conn, name="south", scopes=["reports:read"], store_labels={"region": "south"})
    headers = {"Authorization": f"Bearer {south}"}
    assert api.get("/v1/insights/patterns", headers=headers).json()["findings"] == []
    for kind in ("drift", "causes"):
        assert api.get(f"/v1/insights/{kind}", headers=headers).json()["findings"] == []
    chosen = api.get("/v1/insights/causes", params={"label": "franchise:X"}).json()["findings"]
    assert [each["label"] for each in chosen] == [{"franchise": "X"}]
    assert api.get("/v1/insights/causes", params={"label": "region:south"}).json()["findings"] == []
    assert api.get("/v1/insights/risk", params={"store": LATE}, headers=headers).json()["stores"] == []
    south_only = api.get("/v1/insights/risk", params={"label": "region:south"}).json()["stores"]
    assert {store["store_id"] for store in south_only} == set(FLEET) - north


def test_limited_callers_see_no_sums_over_other_stores(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    run_insights(api, worker)
    conn.execute(
        "update insight_skill set scores = scores || %s where method like 'risk%%'", ['{"label": "region"}']
    )

    def seen(path: str, **labels: str) -> dict[str, Any]:
        key = create_key(conn, name="x", scopes=["reports:read"], store_labels=labels)
        answer = api.get(f"/v1/insights/{path}", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    whole = api.get("/v1/insights/risk").json()
    for method in whole["methods"]:
        assert method["hours"] > 0 < len(method["calibration"])
    assert all("; the fleet is down " in store["sentence"] for store in whole["stores"])
    # All stores of a region are to be seen by those who are limited to it, and to nothing more.
    for labels, has_group in (({"region": "south"}, True), ({"region": "south", "franchise": "X"}, False)):
        for path in ("skill", "risk", "patterns", "causes", "drift"):
            found = seen(path, **labels)
            for method in found.get("methods", [found.get("method")]):
                assert (method["hours"], method["calibration"], method["top_precision"]) == (None, [], None)
                assert set(method["skill"]) == {"fleet_rate", "store_mean"}
            for store in found.get("stores", ()):
                assert "fleet is down" not in store["sentence"]
                assert (store["group_rate"] is not None) == has_group
    (cause,) = seen("causes", franchise="X")["findings"]
    assert cause["sentence"].endswith(" UTC.")
    assert set(cause["evidence"]) == {"since_earliest", "since_latest", "stores_down", "stores"}
    (cause,) = api.get("/v1/insights/causes").json()["findings"]
    assert "; chance explains " in cause["sentence"]


def test_stores_have_their_names(api: TestClient, worker: WorkerContext, conn: psycopg.Connection) -> None:
    run_insights(api, worker)
    conn.execute("update store set display_name = 'Main Street' where store_id = %s", [LATE])
    (pattern,) = api.get("/v1/insights/patterns").json()["findings"]
    (drift,) = api.get("/v1/insights/drift").json()["findings"]
    assert (pattern["name"], drift["name"]) == ("Main Street", None)
    (risk,) = api.get("/v1/insights/risk", params={"store": LATE}).json()["stores"]
    assert risk["name"] == "Main Street"


def test_unchanged_hours_are_not_counted_again(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    rows = "select store_key, xmin::text, minutes, seq from store_hours order by 1"
    run_insights(api, worker)
    first = conn.execute(rows).fetchall()
    run_insights(api, worker)
    assert conn.execute(rows).fetchall() == first
    (key,) = conn.execute("select store_key from store where store_id = 's03'").fetchall()[0]
    at = NOW - timedelta(days=20, minutes=40)
    with conn.transaction():
        (seq,) = conn.execute(
            "update ledger_head set seq = seq + 1, history_seq = seq + 1 returning seq"
        ).fetchall()[0]
        conn.execute(
            "insert into observation (store_key, observed_at, is_active, since_seq) values (%s, %s, false, %s)",
            [key, at, seq],
        )
        conn.execute(
            "with i as (insert into import (id, kind, source, state) values (gen_random_uuid(), 'polls', 'x', 'succeeded')"
            " returning id) insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq, min_at, max_at)"
            " select id, 0, 0, 0, %s, %s, %s from i",
            [seq, at, at],
        )
    run_insights(api, worker)
    second = conn.execute(rows).fetchall()
    assert [a[0] for a, b in zip(first, second, strict=True) if a != b] == [key]
    conn.execute("delete from store_hours")
    run_insights(api, worker)
    again = [(each[0], each[2]) for each in conn.execute(rows).fetchall()]
    assert again == [(each[0], each[2]) for each in second], "brought up to date equals counted from nothing"


def test_a_store_that_fails_now_cuts_no_page_short(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    run_insights(api, worker)
    conn.execute("update store set timezone = 'Mars/Olympus' where store_id = %s", [LATE])
    run_insights(api, worker)  # which has no hours to count
    page = api.get("/v1/insights/risk", params={"store": LATE}).json()
    (late,) = page["stores"]
    assert (late["timezone"], late["hours"]) == ("Mars/Olympus", []), "local hours of no zone"
    conn.execute("update store_hours set made_by = 'another release'")
    created = api.post("/v1/insights/runs").json()
    assert compute_batch(worker, UUID(created["id"]), 0)
    hours = "select count(*) from store_hours join store using (store_key) where store_id = %s"
    assert conn.execute(hours, [LATE]).fetchone() == (0,), "its batch is done, and the run goes on"
    seen: list[str] = []
    cursor = None
    while cursor or not seen:
        asked = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = api.get("/v1/insights/risk", params=asked).json()
        seen += [store["store_id"] for store in page["stores"]]
        cursor = page["next"]
    assert sorted(seen) == sorted(set(FLEET) - {LATE})


def test_a_canceled_run_goes_on_where_it_stopped(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    first = api.post("/v1/insights/runs").json()
    assert compute_next(worker)
    done = conn.execute("select store_key, xmin::text from store_hours").fetchall()
    assert 0 < len(done) < STORES
    assert api.delete(f"/v1/insights/runs/{first['id']}").json()["state"] == "canceled"
    assert compute_next(worker) is None
    run_insights(api, worker)
    assert set(done) < set(conn.execute("select store_key, xmin::text from store_hours").fetchall())
    unknown = "00000000-0000-7000-8000-000000000000"
    problem(api.get(f"/v1/insights/runs/{unknown}"), 404, "insight_run_not_found")
    problem(api.delete(f"/v1/insights/runs/{unknown}"), 404, "insight_run_not_found")


def test_a_malformed_cursor_is_refused(api: TestClient, conn: psycopg.Connection) -> None:
    del conn
    for kind in ("risk", "patterns", "causes", "drift"):
        for cursor in ("x", "eA==", "LTk5OTk5OTk5OTk5OTk5OTk5OTk5IHg="):
            answer = api.get(f"/v1/insights/{kind}", params={"cursor": cursor})
            assert problem(answer, 422, "invalid_request")["field"] == "query.cursor"


def test_the_scheduler_asks_once_a_day(database_url: str, conn: psycopg.Connection) -> None:
    async def ask() -> bool:
        async with await AsyncConnection.connect(database_url, autocommit=True) as session:
            return await nightly_run(session, BatchTerms(10, 60)) is not None

    is_late = conn.execute("select extract(hour from now() at time zone 'UTC') >= 13").fetchone() == (True,)
    assert [asyncio.run(ask()), asyncio.run(ask())] == [is_late, False]
    assert last_ended_day(datetime(2024, 10, 14, 11, 59, tzinfo=UTC)).isoformat() == "2024-10-12"
    assert last_ended_day(datetime(2024, 10, 14, 12, 1, tzinfo=UTC)).isoformat() == "2024-10-13"
