"""A report made again: with the newest data, or with its own, and what differs between the two."""

import csv
import io
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from services.ingest.http.change_hours import replace_hours
from services.ingest.http.change_labels import replace_labels
from services.ingest.http.change_lifetime import replace_lifetime
from services.ingest.http.change_special_hours import replace_special_hours
from services.ingest.http.change_store import ChangeOptions
from services.ingest.http.change_timezone import replace_timezone
from services.ingest.http.local_intervals import LocalInterval
from services.ingest.http.record_change import ChangeKind, record_change
from services.ingest.http.special_dates import LocalDate
from services.ingest.run import ingest_paths
from services.ingest.write.history_table import CALENDARS, CLOSURES, CLOSURES_BY_ID, HistoryTable
from services.worker.context import WorkerContext
from shared.ids import new_id
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.buckets import content_of
from tests.fixtures.in_process import problem, work
from tests.fixtures.two_keys import make_key

FRIDAY = datetime(2024, 10, 18, tzinfo=UTC)
AS_OF = FRIDAY + timedelta(days=1)
NAMES = ("a", "b", "c", "d", "e")


class World:
    """Stores with polls each half hour, and the changes that a report can meet."""

    def __init__(self, url: str, folder: Path, api: TestClient, worker: WorkerContext) -> None:
        self.url, self._folder, self._api, self._worker = url, folder, api, worker
        self._files = 0
        self.load(
            "store_id,status,timestamp_utc",
            *(
                f"{name},{'inactive' if n % 7 == 0 else 'active'},{AS_OF - timedelta(minutes=30 * n):%FT%TZ}"
                for name in NAMES
                for n in range(60)
            ),
        )

    def load(self, *lines: str) -> None:
        self._files += 1
        file = self._folder / f"{self._files}.csv"
        file.write_text("\n".join(lines) + "\n")
        (done,) = ingest_paths(self.url, [str(file)])
        assert done.state == "succeeded"

    def send_poll(self, store_id: str, status: str, at: datetime) -> None:
        self.load("store_id,status,timestamp_utc", f"{store_id},{status},{at:%FT%TZ}")

    def merge(self, kind: ChangeKind, table: HistoryTable, row: dict[str, object]) -> None:
        record_change(self.url, kind, "test", "abcd1234", lambda _, change: change.merge_rows(table, [row]))

    def close(self, store_id: str | None = None, **labels: str) -> str:
        """Declare a closure of two hours of the Friday."""
        starts = FRIDAY + timedelta(hours=10)
        row = {
            "id": new_id(),
            "starts_at": starts,
            "ends_at": starts + timedelta(hours=2),
            "treatment": "exclude",
            "reason": "other",
        }
        of = {"labels": Jsonb(labels)} if store_id is None else {"store_key": self.key_of(store_id)}
        self.merge("closures", CLOSURES, {**row, **of})
        return str(row["id"])

    def key_of(self, store_id: str) -> int:
        with psycopg.connect(self.url) as conn:
            ((key,),) = conn.execute("select store_key from store where store_id = %s", [store_id])
        return int(key)

    def make(self, **more: Any) -> dict[str, Any]:
        answer = self._api.post("/v1/reports", json={"as_of": AS_OF.isoformat(), **more})
        assert answer.status_code == 202, answer.text
        return self.finish(answer.json()["id"])

    def revise(self, report: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = self._api.post(f"/v1/reports/{report['id']}/revisions", json=more)
        assert answer.status_code == 202, answer.text
        return self.finish(answer.json()["id"])

    def finish(self, report_id: str) -> dict[str, Any]:
        if self.show(report_id)["state"] == "queued":
            work(self._worker, report_id)
        body = self.show(report_id)
        assert body["state"] == "succeeded", body
        return body

    def show(self, report_id: str) -> dict[str, Any]:
        body: dict[str, Any] = self._api.get(f"/v1/reports/{report_id}").json()
        return body

    def content(self, report: dict[str, Any], file_format: str = "csv") -> bytes:
        with psycopg.connect(self.url) as conn:
            ((key,),) = conn.execute(
                "select object from report_file where report_id = %s and format = %s",
                [report["id"], file_format],
            )
        return content_of(self._worker.storage, key)

    def diff(self, before: dict[str, Any], after: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = self._api.get(f"/v1/reports/{after['id']}/diff", params={"against": before["id"], **more})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def causes(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> dict[str, list[tuple[str, str | None]]]:
        stores = self.diff(before, after)["stores"]
        return {
            store["store_id"]: [(cause["kind"], cause["subject"]) for cause in store["causes"]]
            for store in stores
        }


@pytest.fixture
def world(database_url: str, tmp_path: Path, api: TestClient, worker: WorkerContext) -> World:
    return World(database_url, tmp_path, api, worker)


def test_a_revision_has_the_newest_data_and_counts_up(world: World) -> None:
    first = world.make(windows=["last_day"], detail=True)
    assert (first["revision"], first["revision_of"], first["pinned_cut"]) == (1, None, None)
    world.send_poll("a", "inactive", FRIDAY + timedelta(hours=3, minutes=1))
    second = world.revise(first)
    assert (second["revision"], second["revision_of"]) == (2, first["id"])
    assert (second["as_of"], second["windows"], second["detail"]) == (first["as_of"], first["windows"], True)
    assert second["data_cut"] > first["data_cut"]
    assert world.content(first) != world.content(second)
    # Of the same data there is one revision, whichever report of the chain it is asked of.
    assert world.revise(first)["id"] == world.revise(second)["id"] == second["id"]
    third = world.revise(second, force=True)
    assert (third["revision"], third["revision_of"]) == (3, first["id"])
    assert world.content(third) == world.content(second)


def test_at_its_own_cut_each_file_has_the_same_bytes(world: World) -> None:
    world.load("store_id,timezone_str", "a,America/Chicago", "b,Asia/Tokyo")
    world.load("store_id,dayOfWeek,start_time_local,end_time_local", "a,4,10:00,22:00", "c,4,08:00,12:00")
    replace_labels(world.url, "d", {"side": "left"}, ChangeOptions("test"))
    world.close(side="left")
    first = world.make(
        windows=["last_day", "last_week"], detail=True, formats=["csv", "json"], policy="carry"
    )
    for store_id in NAMES:
        world.send_poll(store_id, "inactive", FRIDAY + timedelta(hours=5, minutes=7))
    world.send_poll("b", "inactive", AS_OF - timedelta(minutes=30))
    world.send_poll("new", "active", FRIDAY)
    replace_hours(world.url, "a", [LocalInterval("4", "12:00", "13:00")], ChangeOptions("test"))
    replace_timezone(world.url, "b", "America/Chicago", ChangeOptions("test"))
    replace_timezone(world.url, "c", "America/Chicago", ChangeOptions("test"))
    replace_labels(world.url, "d", {"side": "right"}, ChangeOptions("test"))
    world.close(side="right")
    again = world.revise(first, cut="original")
    assert (again["pinned_cut"], again["data_cut"]) == (first["data_cut"], first["data_cut"])
    assert world.content(again) == world.content(first)
    # The provenance in the other files names the report.
    tables = [json.loads(world.content(report, "json"))["stores"] for report in (first, again)]
    assert tables[0] == tables[1]
    latest = world.revise(again)
    assert (latest["revision"], latest["pinned_cut"]) == (3, None)
    assert b"new," in world.content(latest)
    assert world.content(latest) != world.content(first)
    assert world.diff(first, again)["stores"] == []


def test_the_difference_names_each_cause(world: World) -> None:
    for store_id in NAMES:
        replace_labels(world.url, store_id, {"row": store_id}, ChangeOptions("test"))
    first = world.make(windows=["last_day"])
    world.send_poll("a", "inactive", FRIDAY + timedelta(hours=3, minutes=1))
    world.send_poll("a", "inactive", AS_OF - timedelta(minutes=60))
    replace_hours(world.url, "b", [LocalInterval("4", "10:00", "22:00")], ChangeOptions("abcd1234"))
    closure = world.close("c")
    for_labels = world.close(row="d")
    replace_special_hours(
        world.url, "e", [LocalDate("2024-10-18", [("09:00", "10:00")])], ChangeOptions("abcd1234")
    )
    second = world.revise(first)
    found = world.diff(first, second)
    assert (found["before"]["id"], found["after"]["id"]) == (first["id"], second["id"])
    assert (found["before"]["revision"], found["after"]["revision"]) == (1, 2)
    assert found["causes_complete"] is True
    assert world.causes(first, second) == {
        "a": [("late_polls", None), ("corrected_polls", None)],
        "b": [("hours", None)],
        "c": [("closure", closure)],
        "d": [("closure", for_labels)],
        "e": [("special_hours", "2024-10-18")],
    }
    late = found["stores"][0]["causes"][0]
    assert (late["polls"], late["first_poll_at"], late["changed_by"]) == (1, "2024-10-18T03:01:00Z", None)
    with psycopg.connect(world.url) as conn:
        assert conn.execute("select kind from import where id = %s", [late["import_id"]]).fetchone() == (
            "polls",
        )
    hours = found["stores"][1]["causes"][0]
    assert hours["changed_by"] == found["stores"][2]["causes"][0]["changed_by"] == "abcd1234"
    terms = [(one["before"], one["after"], one["source"]) for one in (hours, found["stores"][4]["causes"][0])]
    assert terms == [
        (None, "Fri 10:00-22:00", "store b"),
        (None, "09:00-10:00", "store e"),
    ]
    values = {value["column"]: (value["before"], value["after"]) for value in found["stores"][1]["values"]}
    assert values["uptime_last_day"][0] > values["uptime_last_day"][1] > 0


def test_rare_causes(world: World) -> None:
    first = world.make(windows=["last_day"])
    replace_lifetime(
        world.url, "a", (FRIDAY + timedelta(hours=6)).isoformat(), None, ChangeOptions("abcd1234")
    )
    replace_hours(world.url, "b", [LocalInterval("4", "10:00", "22:00")], ChangeOptions("abcd1234"))
    replace_timezone(world.url, "b", "Asia/Tokyo", ChangeOptions("abcd1234"))
    replace_labels(world.url, "c", {"country": "us"}, ChangeOptions("abcd1234"))
    dates = Jsonb({"2024-10-18": []})
    world.merge("calendars", CALENDARS, {"name": "us", "labels": Jsonb({"country": "us"}), "dates": dates})
    # A label about which no calendar or closure asks, and a date that is far away.
    replace_labels(world.url, "d", {"floor": "1"}, ChangeOptions("abcd1234"))
    replace_special_hours(world.url, "d", [LocalDate("2023-01-01", [])], ChangeOptions("abcd1234"))
    world.send_poll("d", "inactive", FRIDAY + timedelta(hours=3, minutes=1))
    second = world.revise(first)
    zone = world.diff(first, second)["stores"][1]["causes"][1]
    assert (zone["kind"], zone["before"], zone["after"]) == ("timezone", None, "Asia/Tokyo")
    assert world.causes(first, second) == {
        "a": [("lifetime", None)],
        "b": [("hours", None), ("timezone", None)],
        "c": [("labels", None), ("calendar", "us")],
        "d": [("late_polls", None)],
    }


def replace_dated(world: World, store_id: str, day: str, opens: str) -> None:
    hours = [LocalInterval("4", opens, "22:00")]
    replace_hours(world.url, store_id, hours, ChangeOptions("abcd1234"), effective_from=day)


def test_changes_that_cannot_touch_the_windows_are_no_causes(world: World) -> None:
    """Each store has a late poll, so that it differs, and a change of something that holds at another time."""
    replace_hours(world.url, "e", [LocalInterval("4", "09:00", "23:00")], ChangeOptions("abcd1234"))
    replace_dated(world, "e", "2024-10-01", "10:00")
    first = world.make(windows=["last_day"])
    # Later hours, of a store with hours without a date, and with earlier ones.
    replace_hours(world.url, "a", [LocalInterval("4", "09:00", "23:00")], ChangeOptions("abcd1234"))
    replace_dated(world, "a", "2024-11-01", "10:00")
    replace_dated(world, "e", "2024-11-01", "10:00")
    # Hours that others have replaced before the window begins.
    replace_dated(world, "e", "2024-09-01", "11:00")
    replace_hours(world.url, "e", [LocalInterval("4", "12:00", "23:00")], ChangeOptions("abcd1234"))
    # A lifetime that begins long before, and a calendar of other dates.
    replace_lifetime(world.url, "b", "2020-01-01T00:00:00Z", None, ChangeOptions("abcd1234"))
    dates = Jsonb({"2024-12-25": []})
    world.merge("calendars", CALENDARS, {"name": "us", "labels": Jsonb({}), "dates": dates})
    # A closure that was withdrawn, and one of another week.
    closed = world.close("c")
    starts = FRIDAY + timedelta(hours=10)
    row = {"id": closed, "store_key": world.key_of("c"), "labels": Jsonb({}), "starts_at": starts}
    more = {"ends_at": None, "treatment": "exclude", "reason": "other", "note": ""}
    record_change(
        world.url,
        "closures",
        "test",
        "abcd1234",
        lambda _, change: change.merge_rows(CLOSURES_BY_ID, [], [row | more]),
    )
    for name in NAMES:
        world.send_poll(name, "inactive", FRIDAY + timedelta(hours=19, minutes=1))
    late = [("late_polls", None)]
    assert world.causes(first, world.revise(first)) == {
        "a": [("hours", None), *late],
        **dict.fromkeys("bcde", late),
    }


def test_hours_that_hold_before_their_first_date_are_a_cause(world: World) -> None:
    """The earliest hours also hold before their date if there are none without a date."""
    first = world.make(windows=["last_day"])
    replace_dated(world, "a", "2024-11-01", "10:00")
    replace_dated(world, "a", "2024-12-01", "12:00")
    replace_dated(world, "b", "2024-10-01", "10:00")
    assert world.causes(first, world.revise(first)) == {
        "a": [("hours", "2024-11-01")],
        "b": [("hours", "2024-10-01")],
    }


def test_changes_of_one_subject_are_one_cause_for_each_who_made_them(world: World, api: TestClient) -> None:
    first = world.make(windows=["last_day"], detail=True)
    for hour in (11, 12, 13):
        world.send_poll("a", "inactive", FRIDAY + timedelta(hours=hour, minutes=1))
    for opens in ("10:00", "11:00"):
        replace_dated(world, "b", "2024-10-01", opens)
    hours = [LocalInterval("4", "12:00", "22:00")]
    replace_hours(world.url, "b", hours, ChangeOptions("wxyz1234"), effective_from="2024-10-01")
    second = world.revise(first)
    found = {store["store_id"]: store for store in world.diff(first, second)["stores"]}
    (late,) = found["a"]["causes"]
    assert (late["kind"], late["polls"], late["changes"]) == ("late_polls", 3, 3)
    assert [(one["subject"], one["changed_by"], one["changes"]) for one in found["b"]["causes"]] == [
        ("2024-10-01", "abcd1234", 2),
        ("2024-10-01", "wxyz1234", 1),
    ]
    path = f"/v1/reports/{second['id']}/diff"
    rows = csv.DictReader(io.StringIO(api.get(path, params={"against": first["id"], "format": "csv"}).text))
    causes = {row["store_id"]: row["causes"] for row in rows}
    assert re.fullmatch(r"late_polls \(3\) by command \(\S+/4.csv\) at \S+ \(3 changes\)", causes["a"])
    said = (
        r"hours 2024-10-01: none -> Fri 12:00-22:00 by abcd1234 \(store b\) at \S+ \(2 changes\), by wxyz1234"
    )
    assert re.fullmatch(rf"{said} \(store b\) at \S+", causes["b"])
    replace_dated(world, "b", "2024-10-01", "13:00")
    (again,) = world.diff(second, world.revise(second))["stores"][0]["causes"]
    assert (again["before"], again["after"]) == ("Fri 12:00-22:00", "Fri 13:00-22:00")
    # Counts are whole numbers, times are not.
    numbers = {value["column"]: value["after"] for value in found["a"]["values"]}
    assert type(numbers["polls_last_day"]) is int
    assert type(numbers["uptime_last_day"]) is float


def test_stores_in_one_report_only(world: World) -> None:
    first = world.make(windows=["last_day"])
    world.send_poll("new", "active", FRIDAY + timedelta(hours=3))
    replace_lifetime(
        world.url, "a", None, (FRIDAY - timedelta(days=9)).isoformat(), ChangeOptions("abcd1234")
    )
    second = world.revise(first)
    found = {store["store_id"]: store for store in world.diff(first, second)["stores"]}
    assert {name: store["presence"] for name, store in found.items()} == {"a": "removed", "new": "added"}
    assert {value["before"] for value in found["new"]["values"]} == {None}
    assert {value["after"] for value in found["a"]["values"]} == {None}
    assert [cause["kind"] for cause in found["a"]["causes"]] == ["lifetime"]


def test_pages_and_csv_hold_every_store(world: World, api: TestClient) -> None:
    first = world.make(windows=["last_day"])
    world.load(
        "store_id,status,timestamp_utc",
        *(f"{name},inactive,{FRIDAY + timedelta(hours=3, minutes=1):%FT%TZ}" for name in NAMES),
    )
    second = world.revise(first)
    pages, cursor = list[Sequence[str]](), None
    while True:
        page = world.diff(first, second, limit=2, **({"cursor": cursor} if cursor else {}))
        pages.append([store["store_id"] for store in page["stores"]])
        cursor = page["next"]
        if cursor is None:
            break
    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    path, asked = f"/v1/reports/{second['id']}/diff", {"against": first["id"]}
    texts = [
        api.get(path, params={**asked, "format": "csv"}),
        api.get(path, params=asked, headers={"Accept": "text/csv"}),
    ]
    assert texts[0].text == texts[1].text
    assert texts[0].headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(texts[0].text)))
    assert {row["store_id"] for row in rows} == set(NAMES)
    assert {row["column"] for row in rows} == {"uptime_last_day", "downtime_last_day"}
    assert all(re.match(r"late_polls \(1\) by command \(.+csv\) at 20", row["causes"]) for row in rows)


def test_what_cannot_be_revised_or_compared(world: World, api: TestClient, worker: WorkerContext) -> None:
    first = world.make(windows=["last_day"])
    queued = api.post("/v1/reports", json={"windows": ["last_hour"]}).json()
    path = f"/v1/reports/{queued['id']}/revisions"
    assert "wait until" in problem(api.post(path), 409, "report_not_revisable")["detail"]
    api.delete(f"/v1/reports/{queued['id']}")
    assert "POST /v1/reports" in problem(api.post(path), 409, "report_not_revisable")["detail"]
    problem(api.post(f"/v1/reports/{new_id()}/revisions"), 404, "report_not_found")
    problem(api.post(f"/v1/reports/{first['id']}/revisions", json={"cut": 7}), 422, "invalid_request")

    def compare(one: dict[str, Any], other: dict[str, Any], status: int, code: str) -> str:
        answer = api.get(f"/v1/reports/{one['id']}/diff", params={"against": other["id"]})
        return str(problem(answer, status, code)["detail"])

    assert "differ in windows" in compare(
        first, world.make(windows=["last_week"]), 409, "reports_not_comparable"
    )
    assert "differ in policy" in compare(
        first, world.make(windows=["last_day"], policy="hold"), 409, "reports_not_comparable"
    )
    same = api.get(f"/v1/reports/{first['id']}/diff", params={"against": first["id"]})
    assert (same.status_code, same.json()["stores"]) == (200, [])
    waiting = api.post(f"/v1/reports/{first['id']}/revisions", json={"force": True}).json()
    compare(waiting, first, 409, "file_not_ready")
    work(worker, waiting["id"])
    with psycopg.connect(world.url) as conn:
        conn.execute("update report set state = 'expired', expired_at = now() where id = %s", [first["id"]])
    assert '{"cut": "original"}' in compare(waiting, first, 410, "report_expired")
    # An expired report can be made again.
    assert world.revise(first, cut="original", force=True)["pinned_cut"] == first["data_cut"]


def test_data_that_is_gone_is_named(world: World, api: TestClient) -> None:
    first = world.make(windows=["last_day"])
    path = f"/v1/reports/{first['id']}/revisions"
    world.send_poll("a", "inactive", AS_OF - timedelta(minutes=60))
    second = world.revise(first)
    with psycopg.connect(world.url) as conn:
        conn.execute("update import set finished_at = finished_at - interval '1 hour' where kind = 'polls'")
        conn.execute("select forget_imports(now() - interval '1 minute', 1000)")
        assert conn.execute("select count(*) from superseded_poll").fetchone() == (0,)
    gone = problem(api.post(path, json={"cut": "original"}), 410, "data_forgotten")["detail"]
    assert f"ledger number {first['data_cut']} is gone" in gone
    found = world.diff(first, second)
    assert found["causes_complete"] is False
    assert [cause["import_id"] for cause in found["stores"][0]["causes"]] == [None]
    third = world.make(windows=["last_day"])
    with psycopg.connect(world.url) as conn:
        conn.execute("select drop_oldest_week(%s, %s)", [AS_OF + timedelta(days=9), new_id()])
    gone = problem(
        api.post(f"/v1/reports/{third['id']}/revisions", json={"cut": "original"}), 410, "data_forgotten"
    )
    assert "dropped the week of 2024-10-14" in gone["detail"]


def test_a_limited_key_revises_and_compares_only_reports_of_its_stores(
    world: World, api: TestClient, settings: Settings
) -> None:
    replace_labels(world.url, "a", {"owner": "north"}, ChangeOptions("test"))
    key = make_key(world.url, "north", store_labels={"owner": "north"})
    headers = {"Authorization": f"Bearer {key}"}
    everything = world.make(windows=["last_day"])
    mine = api.post(
        "/v1/reports", json={"as_of": AS_OF.isoformat(), "windows": ["last_day"]}, headers=headers
    ).json()
    world.finish(mine["id"])
    problem(api.post(f"/v1/reports/{everything['id']}/revisions", headers=headers), 404, "report_not_found")
    answer = api.get(f"/v1/reports/{mine['id']}/diff", params={"against": everything["id"]}, headers=headers)
    problem(answer, 404, "report_not_found")
    world.send_poll("a", "inactive", FRIDAY + timedelta(hours=3, minutes=1))
    world.send_poll("b", "inactive", FRIDAY + timedelta(hours=3, minutes=1))
    # Another key's revision has the same stores.
    second = world.revise(mine)
    assert second["progress"]["stores_total"] == 1
    answer = api.get(f"/v1/reports/{second['id']}/diff", params={"against": mine["id"]}, headers=headers)
    assert [store["store_id"] for store in answer.json()["stores"]] == ["a"]
    del settings


def test_equal_requests_and_keys_share_a_revision(world: World, api: TestClient) -> None:
    first = world.make(windows=["last_day"])
    world.send_poll("a", "inactive", FRIDAY + timedelta(hours=3, minutes=1))
    path = f"/v1/reports/{first['id']}/revisions"
    once = api.post(path, json={"force": True}, headers={"Idempotency-Key": "x"}).json()
    assert api.post(path, json={"force": True}, headers={"Idempotency-Key": "x"}).json()["id"] == once["id"]
    problem(
        api.post(path, json={"force": False}, headers={"Idempotency-Key": "x"}), 422, "idempotency_key_reused"
    )
    assert api.post(path).json()["id"] == once["id"]
    other = create_key_of(world.url)
    assert api.post(path, headers={"Authorization": f"Bearer {other}"}).json()["id"] == once["id"]
    # Both keys want it, so it goes on when one withdraws.
    assert (
        api.delete(f"/v1/reports/{once['id']}", headers={"Authorization": f"Bearer {other}"}).json()["state"]
        == "queued"
    )


def create_key_of(url: str) -> str:
    with psycopg.connect(url) as conn:
        return create_key(conn, name="other", scopes=["reports:read", "reports:write"])


def test_revisions_at_the_same_time_get_different_numbers(world: World, api: TestClient) -> None:
    first = world.make(windows=["last_day"])
    path = f"/v1/reports/{first['id']}/revisions"
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: api.post(path, json={"force": True}), range(4)))
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(answer.json()["revision"] for answer in answers) == [2, 3, 4, 5]
    # Without `force`, they are one.
    world.send_poll("a", "inactive", FRIDAY + timedelta(hours=3, minutes=1))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: api.post(path), range(4)))
    assert {answer.json()["revision"] for answer in answers} == {6}
