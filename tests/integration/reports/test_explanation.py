"""An explanation adds up to the row of its report at the report's cut, whatever was changed since."""

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.use_cases import explanation
from services.ingest.http.calendars import NewCalendar, replace_calendar
from services.ingest.http.change_hours import replace_hours
from services.ingest.http.change_labels import replace_labels
from services.ingest.http.change_store import ChangeOptions
from services.ingest.http.change_timezone import replace_timezone
from services.ingest.http.local_intervals import LocalInterval
from services.ingest.http.special_dates import LocalDate, parse_special_dates
from services.ingest.run import ingest_paths
from services.worker.context import WorkerContext
from shared.uptime.policy import POLICIES
from tests.fixtures.buckets import content_of
from tests.fixtures.in_process import problem, work
from tests.integration.reports.test_adjusted_report import FILES, NOW, Fleet, days_ago, stamp
from tests.oracle.report import printed_times

EXPLAIN_EVERY = int(os.environ.get("EXPLAIN_EVERY", "3"))  # a third of the stores with each policy
WINDOWS = ("last_hour", "last_day", "last_week", "PT6H", "previous_day")
EXCLUDED = {"hold": ["busy"], "carry": ["technical"], "backfill-1m": ["paused_by_store", "technical"]}
Row = Mapping[str, str]


def make_report(
    api: TestClient, worker: WorkerContext, policy: str, **more: Any
) -> tuple[str, dict[str, Row]]:
    """Make a report with detail, and return its id and rows."""
    body = {"policy": policy, "windows": list(WINDOWS), "detail": True, "force": True, **more}
    body["exclude_reasons"] = EXCLUDED.get(policy, [])
    report = api.post("/v1/reports", json=body)
    assert report.status_code == 202, report.text
    report_id = str(report.json()["id"])
    work(worker, report_id)
    with worker.pool.connection() as conn:
        ((key,),) = conn.execute("select object from report_file where report_id = %s", [report_id])
    text = content_of(worker.storage, key).decode()
    return report_id, {row["store_id"]: row for row in csv.DictReader(io.StringIO(text))}


def explain(api: TestClient, report_id: str, store_id: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"/v1/reports/{report_id}/stores/{quote(store_id, safe='')}", params=query)
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 200, body
    return body


def check_row(body: dict[str, Any], row: Row, policy: str) -> None:
    """Each window's segments fill it and add up to its totals, which print as the row does."""
    assert body["is_exact"]
    assert body["timezone"] == row["timezone"]
    for window in body["windows"]:
        name = window["window"]
        unit_us = 60_000_000 if window["unit"] == "minutes" else 3_600_000_000
        totals, segments = window["totals"], window["segments"]
        printed = printed_times({name: totals[name] for name in totals if name.endswith("_us")}, unit_us)
        for column, field in (
            ("uptime", "up_us"), ("downtime", "down_us"), ("unknown", "unknown_us"), ("uptime_min", "up_min_us"),
            ("uptime_max", "up_max_us"), ("excluded", "excluded_us")
        ):  # fmt: skip
            assert row[f"{column}_{name}"] == printed[field], (window["window"], column)
        assert row[f"polls_{name}"] == str(totals["polls"])
        assert {column: f"{value:.4f}" for column, value in window["row"].items()} == {
            column: row[column] for column in (f"uptime_{name}", f"downtime_{name}")
        }
        lengths: Counter[str] = Counter()
        reached = window["begin"]
        for segment in segments:
            assert segment["begin"] == reached
            lengths[segment["state"]] += segment["length_us"]
            reached = segment["end"]
        assert reached == window["end"]
        assert lengths["excluded"] == totals["excluded_us"]
        assert sum(lengths.values()) - lengths["closed"] - lengths["excluded"] == totals["open_us"]
        if policy != "hold-scaled":
            assert lengths["up"] + lengths["as_up"] == totals["up_us"]
            assert (lengths["down"], lengths["unknown"]) == (totals["down_us"], totals["unknown_us"])


def check_timeline(api: TestClient, body: dict[str, Any], policy: str) -> None:
    """While the data has not changed, the timeline of each window has the same totals and the same open time."""
    for window in body["windows"]:
        query: dict[str, Any] = {"window": window["window"], "as_of": body["as_of"], "policy": policy}
        query["exclude_reason"] = EXCLUDED.get(policy, [])
        answer = api.get(f"/v1/stores/{body['store_id']}/timeline", params=query)
        shown = answer.json()
        assert answer.status_code == 200, shown
        assert shown["totals"] == window["totals"]
        deciding = {segment["closure"]["id"] for segment in shown["segments"] if segment["closure"]}
        assert deciding <= {closure["id"] for closure in shown["closures"]}
        assert all(closure in body["closures"] for closure in shown["closures"])
        days = {
            (hours["date"], hours["calendar"])
            for segment in window["segments"]
            for hours in segment["hours"]
            if hours["kind"] in {"special", "calendar"}
        }
        assert days <= {(day["date"], day["calendar"]) for day in shown["special_days"]}
        lengths: Counter[str] = Counter()
        for segment in shown["segments"]:
            lengths[segment["state"]] += segment_us(segment)
            excluded = segment["state"] == "excluded" and segment["reason"] in EXCLUDED.get(policy, [])
            assert (segment["closure"] is not None or excluded) is (segment["state"] in {"excluded", "as_up"})
        for one in window["segments"]:
            lengths[one["state"]] -= one["length_us"] * (one["state"] != "closed")
        assert not any(lengths.values())


def segment_us(segment: Mapping[str, str]) -> int:
    length = datetime.fromisoformat(segment["end"]) - datetime.fromisoformat(segment["begin"])
    return length // timedelta(microseconds=1)


def load_with_calendars(database_url: str, fleet: Fleet, folder: Path) -> None:
    """The stores of a fleet, and two calendars for those in the north."""
    fleet.write(folder)
    ingest_paths(database_url, [str(folder)])
    for number, name in enumerate(fleet.stores):
        replace_labels(
            database_url,
            name,
            {"region": "south"} if number % 3 else {"region": "north"},
            ChangeOptions("test"),
        )
    # Of two calendars the first by name decides, and a store's own special hours come before both.
    for name, days, intervals in (
        ("holidays", range(1, 6), (("09:00", "12:30"),)),
        ("bank", range(2, 4), ()),
    ):
        dates = [LocalDate(str(days_ago(day)), intervals) for day in days]
        replace_calendar(
            database_url, name, NewCalendar({"region": "north"}, parse_special_dates(dates)), "test"
        )


def change_everything(database_url: str, fleet: Fleet, folder: Path) -> None:
    """Late polls, corrections, hours, zones, labels, closures, special hours, lifetimes and a calendar."""
    corrected = [
        line.replace(",active,", ",INACTIVE,")
        .replace(",inactive,", ",active,")
        .replace("INACTIVE", "inactive")
        for line in fleet.rows["polls"][1::5]
    ]
    late = [f"{name},active,{stamp(days / 7)},," for name in fleet.stores for days in range(1, 40, 3)]
    files = {
        "polls": [FILES["polls"], *corrected, *late],
        "hours": [FILES["hours"], *(f"{name},{day},07:00,19:00" for name in fleet.stores for day in range(6))],
        "zones": [FILES["zones"], *(f"{name},Europe/Berlin" for name in list(fleet.stores)[::2])],
        "closures": [FILES["closures"], *(f"{name},{stamp(1.5)},{stamp(0.4)},exclude,other,late" for name in fleet.stores)],
        "special": [FILES["special"], *(f"{name},{days_ago(1)},," for name in fleet.stores)],
        "lifetimes": [FILES["lifetimes"], *(f"{name},{stamp(5)},{stamp(0.2)}" for name in fleet.stores)],
    }  # fmt: skip
    for name, lines in files.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    results = ingest_paths(database_url, [str(folder)])
    assert all(result.state == "succeeded" and not result.rejected for result in results), results
    for number, name in enumerate(fleet.stores):
        replace_labels(database_url, name, {"region": "north"} if number % 2 else {}, ChangeOptions("test"))
    replace_calendar(
        database_url,
        "holidays",
        NewCalendar({}, parse_special_dates([LocalDate(str(days_ago(0)), ())])),
        "test",
    )
    replace_calendar(
        database_url,
        "holidays",
        NewCalendar({}, parse_special_dates([LocalDate(str(days_ago(2)), ())])),
        "test",
    )
    replace_timezone(database_url, next(iter(fleet.stores)), "Asia/Tokyo", ChangeOptions("test"))
    replace_hours(
        database_url, next(iter(fleet.stores)), [LocalInterval("0", "01:00", "02:00")], ChangeOptions("test")
    )


def test_it_adds_up_to_the_row_even_after_the_data_changed(
    api: TestClient, worker: WorkerContext, database_url: str, tmp_path: Path
) -> None:
    fleet = Fleet(3, stores=8)
    first, later = tmp_path / "first", tmp_path / "later"
    for folder in (first, later):
        folder.mkdir()
    load_with_calendars(database_url, fleet, first)
    made = {policy: make_report(api, worker, policy) for policy in POLICIES}
    before = {
        policy: {store: explain(api, report_id, store) for store in rows}
        for policy, (report_id, rows) in made.items()
    }
    for number, (policy, (_, rows)) in enumerate(made.items()):
        assert len(rows) > 4
        for place, (store, row) in enumerate(rows.items()):
            check_row(before[policy][store], row, policy)
            if (number + place) % EXPLAIN_EVERY == 0:
                check_timeline(api, before[policy][store], policy)
    change_everything(database_url, fleet, later)
    as_of = next(iter(before["classic"].values()))["as_of"]
    again = {policy: make_report(api, worker, policy, as_of=as_of) for policy in ("classic", "carry")}
    for number, (policy, (report_id, rows)) in enumerate(made.items()):
        for store in list(rows)[number % EXPLAIN_EVERY :: EXPLAIN_EVERY]:
            assert explain(api, report_id, store) == before[policy][store]
    changed = 0
    for policy, (report_id, rows) in again.items():
        for store, row in rows.items():
            check_row(explain(api, report_id, store), row, policy)
            changed += row != made[policy][1].get(store)
    assert changed > 8


@pytest.fixture
def small(database_url: str, tmp_path: Path) -> None:
    """Three stores: the second was never polled, the third is no more."""
    (tmp_path / "polls.csv").write_text(
        "store_id,status,timestamp_utc\n"
        + "".join(
            f"{store},{'inactive' if hour == 3 else 'active'},{NOW - timedelta(hours=hour):%FT%TZ}\n"
            for hour in range(20)
            for store in ("a/b", "gone")
        )
    )
    (tmp_path / "zones.csv").write_text("store_id,timezone_str\na/b,America/Chicago\nsilent,Europe/Berlin\n")
    (tmp_path / "lifetimes.csv").write_text("store_id,opened_at,closed_at\ngone,,2024-01-01T00:00:00Z\n")
    results = ingest_paths(database_url, [str(tmp_path)])
    assert all(result.state == "succeeded" for result in results)


@pytest.mark.usefixtures("small")
class TestOneStore:
    def test_polls_name_their_import_and_lines_and_runs_fold(
        self, api: TestClient, worker: WorkerContext
    ) -> None:
        report_id, _ = make_report(api, worker, "classic")
        (window,) = explain(api, report_id, "a/b", window="last_day")["windows"]
        assert [(one["state"], one["folded"], one["poll_count"]) for one in window["segments"]] == [
            ("up", 16, 16), ("down", 1, 1), ("up", 3, 3)
        ]  # fmt: skip
        down = window["segments"][1]
        (poll,) = down["polls"]
        assert (poll["status"], poll["first_line"], poll["last_line"]) == ("inactive", 2, 41)
        assert poll["source"].endswith("polls.csv")
        assert poll["import_id"]
        assert (down["begin_rule"], down["end_rule"], down["rule"]) == ("midpoint", "midpoint", "poll")
        assert [source["kind"] for source in down["hours"]] == ["always"]
        assert down["begin_local"] == "2024-11-05T10:43:07-06:00"
        (unfolded,) = explain(api, report_id, "a/b", window="last_day", fold=False)["windows"]
        assert [one["folded"] for one in unfolded["segments"]] == [1] * 20
        assert unfolded["totals"] == window["totals"]

    def test_errors(self, api: TestClient, worker: WorkerContext, database_url: str) -> None:
        report_id, rows = make_report(api, worker, "classic")
        assert list(rows) == ["a/b"]
        path = f"/v1/reports/{report_id}/stores"
        problem(api.get(f"{path}/nobody"), 404, "store_not_found")
        for store, cause in (("silent", "no accepted poll"), ("gone", "existed in none of its windows")):
            assert cause in problem(api.get(f"{path}/{store}"), 404, "store_not_in_report")["detail"]
        refused = problem(api.get(f"{path}/a%2Fb", params={"window": "P30D"}), 422, "invalid_request")
        assert (refused["field"], "last_week" in refused["detail"]) == ("query.window", True)
        problem(api.get(f"{path}/a%2Fb", params={"colour": "red"}), 422, "invalid_request")
        filtered, _ = make_report(api, worker, "classic", stores={"ids": ["gone"]})
        refused = problem(api.get(f"/v1/reports/{filtered}/stores/a%2Fb"), 404, "store_not_in_report")
        assert "limited to" in refused["detail"]
        waiting = api.post("/v1/reports", json={"force": True}).json()["id"]
        refused = problem(api.get(f"/v1/reports/{waiting}/stores/a%2Fb"), 409, "not_explainable")
        assert "queued" in refused["detail"]
        problem(api.get("/v1/reports/00000000-0000-0000-0000-000000000000/stores/a"), 404, "report_not_found")
        with psycopg.connect(database_url) as conn:
            conn.execute("update report set policy_version = 1 where id = %s", [report_id])
            conn.execute("update report set state = 'expired' where id = %s", [filtered])
        problem(api.get(f"{path}/a%2Fb"), 409, "not_explainable")
        problem(api.get(f"/v1/reports/{filtered}/stores/gone"), 410, "report_expired")

    def test_a_store_that_failed_and_one_with_too_many_polls(
        self, api: TestClient, worker: WorkerContext, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with psycopg.connect(database_url) as conn:
            conn.execute("update store set timezone = 'Mars/Olympus' where store_id = 'gone'")
        report_id, rows = make_report(api, worker, "classic")
        assert list(rows) == ["a/b"]
        refused = problem(api.get(f"/v1/reports/{report_id}/stores/gone"), 409, "store_failed")
        assert "unknown_timezone" in refused["detail"]
        monkeypatch.setattr(explanation, "MAX_POLLS", 19)
        refused = problem(api.get(f"/v1/reports/{report_id}/stores/a%2Fb"), 422, "invalid_request")
        assert (refused["field"], "more than 19 polls" in refused["detail"]) == ("query.window", True)

    def test_what_retention_removed_is_refused(
        self, api: TestClient, worker: WorkerContext, database_url: str
    ) -> None:
        report_id, _ = make_report(api, worker, "classic")
        with psycopg.connect(database_url) as conn:
            conn.execute("select drop_oldest_week('2024-12-01', gen_random_uuid())")
        problem(api.get(f"/v1/reports/{report_id}/stores/a%2Fb"), 410, "data_forgotten")

    def test_an_owners_key_sees_its_stores_and_no_imports(
        self, api: TestClient, worker: WorkerContext, database_url: str
    ) -> None:
        replace_labels(database_url, "a/b", {"owner": "anna"}, ChangeOptions("test"))
        body = {
            "name": "anna",
            "scopes": ["reports:read", "reports:write"],
            "store_labels": {"owner": "anna"},
        }
        key = api.post("/v1/keys", json=body).json()["key"]
        everything, _ = make_report(api, worker, "classic")
        headers = {"Authorization": f"Bearer {key}"}
        problem(api.get(f"/v1/reports/{everything}/stores/a%2Fb", headers=headers), 404, "report_not_found")
        own = api.post("/v1/reports", json={}, headers=headers).json()["id"]
        work(worker, own)
        problem(api.get(f"/v1/reports/{own}/stores/gone", headers=headers), 404, "store_not_found")
        answer = api.get(f"/v1/reports/{own}/stores/a%2Fb", headers=headers)
        assert answer.status_code == 200, answer.text
        polls = [
            poll for window in answer.json()["windows"] for one in window["segments"] for poll in one["polls"]
        ]
        assert polls
        assert {(poll["import_id"], poll["source"], poll["first_line"]) for poll in polls} == {
            (None, None, None)
        }
