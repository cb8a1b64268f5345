"""Series over HTTP: sums of facts by group and period, the window before, missing days, and the limits of keys."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from services.api.use_cases import read_facts, series
from services.ingest.http.live_polls import LivePolls
from services.ingest.http.write_live import LiveWriter
from services.local.servers import Endpoints
from services.worker.context import WorkerContext
from shared.clock import to_us
from shared.db.connect import connect
from shared.facts.holding import FEW_STORES
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.databases import fresh_database
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, worker_context
from tests.integration.facts.test_facts_walk import build

NOON = datetime(2024, 10, 31, 12, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(6)]
POLLS = [(NOON - timedelta(minutes=47 * n), n % 7 != 0) for n in range(1_900)]
FLEET = {
    "a": Store(POLLS, "America/Chicago", DAYTIME),
    "b": Store(POLLS[::2], "Asia/Kathmandu", DAYTIME),
    "c": Store(POLLS[::3]),
    "silent": Store(timezone="Europe/Berlin"),
}
LABELS = {"a": {"region": "north"}, "b": {"region": "south"}, "c": {}, "silent": {"region": "north"}}
FIRST, LAST = date(2024, 9, 1), date(2024, 10, 27)
_US = ("open_us", "up_us", "down_us", "unknown_us", "excluded_us")
_SUMS = (
    "select sum(open_us)::bigint, sum(up_us)::bigint, sum(down_us)::bigint, sum(unknown_us)::bigint,"
    " sum(excluded_us)::bigint, sum(outages)::bigint, count(*) from store_day join store using (store_key)"
    " where policy = 'classic' and store_id = any(%s) and local_date between %s and %s"
)


@pytest.fixture(scope="module")
def template(shared_env: dict[str, str]) -> str:
    """The name of a database with the facts of the fleet, which each test has a copy of."""
    url = shared_env["UPTILL_DATABASE_URL"]
    load_fleet(url, FLEET)
    with psycopg.connect(url) as conn:
        for store_id, labels in LABELS.items():
            conn.execute("update store set labels = %s where store_id = %s", [Jsonb(labels), store_id])
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in shared_env.items()}
    with worker_context(Settings.model_validate({**values, "batch_stores": 2})) as worker:
        build(url, worker, FIRST, LAST)
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture
def database_url(servers: Endpoints, template: str) -> Iterator[str]:
    with fresh_database(servers, template=template) as url:
        yield url


@pytest.fixture(params=[FEW_STORES, 0], ids=["few stores", "packed"])
def conn(
    database_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection]:
    monkeypatch.setattr(read_facts, "FEW_STORES", request.param)
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def poll_late(url: str) -> None:
    with connect(url, application_name="test", autocommit=True) as conn:
        at_us = np.array([to_us(datetime(2024, 10, 10, 18, 1, tzinfo=UTC))])
        LiveWriter(conn).write_calls([LivePolls(["a"], at_us, np.array([False]))])


def ask(api: TestClient, **query: Any) -> dict[str, Any]:
    answer = api.get("/v1/series", params=query)
    assert answer.status_code == 200, answer.json()
    body: dict[str, Any] = answer.json()
    return body


def assert_sums(conn: psycopg.Connection, row: dict[str, Any], stores: list[str]) -> None:
    """Compare a row with the sums by SQL."""
    expected = conn.execute(_SUMS, [stores, row["first_day"], row["last_day"]]).fetchone()
    assert expected == (*(row[name] for name in _US), row["outages"], row["days"])
    known = row["up_us"] + row["down_us"]
    assert row["availability"] == (row["up_us"] * 1_000_000 // known / 1_000_000 if known else None)


@pytest.mark.parametrize(
    ("step", "names"),
    [
        ("day", [f"2024-10-{day:02}" for day in range(1, 28)]),
        ("week", ["2024-W40", "2024-W41", "2024-W42", "2024-W43"]),
        ("month", ["2024-10"]),
    ],
)
def test_rows_are_the_sums_of_the_facts(
    api: TestClient, conn: psycopg.Connection, step: str, names: list[str]
) -> None:
    found = ask(api, by=step, group="label:region", first_day="2024-10-01", last_day="2024-10-27")
    of = {"north": ["a"], "south": ["b"], None: ["c"]}
    assert [(row["group"], row["period"]) for row in found["rows"]] == [
        (group, name) for group in of for name in names
    ]
    for row in (*found["rows"], *found["totals"]):
        assert_sums(conn, row, of[row["group"]])
        assert (row["days_missing"], row["previous"], row["change"]) == (0, None, None)
        is_sunday = (
            row["first_day"] == row["last_day"] and date.fromisoformat(row["first_day"]).weekday() == 6
        )
        assert row["stores"] == (0 if is_sunday and row["group"] else 1)
        assert row["up_us"] + row["down_us"] + row["unknown_us"] == row["open_us"]
    assert [row["group"] for row in found["totals"]] == list(of)
    assert {row["period"] for row in found["totals"]} == {None}
    assert (found["days_missing"], found["group"], found["by"]) == (0, "label:region", step)
    sunday = [row for row in found["rows"] if row["period"] == "2024-10-06" and row["group"] == "north"]
    assert all(row["availability"] is None for row in sunday)


def test_groups_zones_and_filters(api: TestClient, conn: psycopg.Connection) -> None:
    dates = {"first_day": "2024-10-07", "last_day": "2024-10-20", "by": "week"}
    (whole,) = ask(api, **dates)["totals"]
    assert_sums(conn, whole, ["a", "b", "c"])
    assert (whole["group"], whole["stores"], whole["days"]) == (None, 3, 42)
    zones = ask(api, group="zone", **dates)["totals"]
    assert [row["group"] for row in zones] == ["America/Chicago", "Asia/Kathmandu"]
    assert_sums(conn, zones[0], ["a", "c"])
    for chosen in ({"label": "region:south"}, {"store": "b"}):
        (row,) = ask(api, **dates, **chosen)["totals"]
        assert_sums(conn, row, ["b"])
    assert ask(api, **dates, label="region:west")["rows"] == []


def test_windows_have_the_dates_before_the_newest_poll(api: TestClient, conn: psycopg.Connection) -> None:
    del conn
    for window, first, last in (
        ("previous_day", "2024-10-30", "2024-10-30"),
        ("previous_week", "2024-10-21", "2024-10-27"),
        ("previous_month", "2024-09-01", "2024-09-30"),
        ("month_to_date", "2024-10-01", "2024-10-30"),
        ("month_of:2024-10", "2024-10-01", "2024-10-31"),
        ("P10D", "2024-10-21", "2024-10-30"),
        ("before:P10D", "2024-10-11", "2024-10-20"),
        ("before:previous_month", "2024-08-01", "2024-08-31"),
        ("before:month_to_date", "2024-09-01", "2024-09-30"),
        ("last_week", "2024-10-24", "2024-10-30"),
    ):
        found = ask(api, window=window, by="month")
        assert (found["first_day"], found["last_day"]) == (first, last), window
        asked = [date.fromisoformat(first) + timedelta(days=n) for n in range(31)]
        missing = 3 * sum(day <= date.fromisoformat(last) and not FIRST <= day <= LAST for day in asked)
        assert found["days_missing"] == missing, window


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        ("previous_day", "2024-10-29", "2024-10-29"),
        ("previous_week", "2024-10-14", "2024-10-20"),
        ("previous_month", "2024-08-01", "2024-08-31"),
        ("previous_quarter", "2024-04-01", "2024-06-30"),
        ("previous_year", "2022-01-01", "2022-12-31"),
        ("month_to_date", "2024-09-01", "2024-09-30"),
        ("year_to_date", "2023-01-01", "2023-10-31"),
        ("month_of:2024-10", "2024-09-01", "2024-09-30"),
        ("week_of:2024-W01", "2023-12-25", "2023-12-31"),
        ("day_of:2024-03-01", "2024-02-29", "2024-02-29"),
        ("P10D", "2024-10-11", "2024-10-20"),
    ],
)
def test_the_window_before(
    api: TestClient, conn: psycopg.Connection, window: str, first: str, last: str
) -> None:
    del conn
    (row,) = ask(api, window=window, by="month", compare="previous")["totals"]
    assert (row["previous"]["first_day"], row["previous"]["last_day"]) == (first, last)


def test_each_bucket_beside_the_one_before(api: TestClient, conn: psycopg.Connection) -> None:
    found = ask(api, window="month_of:2024-10", group="label:region", compare="previous")
    rows = [row for row in found["rows"] if row["group"] == "north"]
    assert [row["previous"] and row["previous"]["first_day"] for row in rows] == [
        *(f"2024-09-{day:02}" for day in range(1, 31)),
        None,
    ]
    for row in (rows[2], *found["totals"]):
        of = {"north": ["a"], "south": ["b"], None: ["c"]}[row["group"]]
        assert_sums(conn, row["previous"], of)
        for name in ("up_us", "down_us", "unknown_us", "outages"):
            assert row["change"][name] == row[name] - row["previous"][name]
        assert row["change"]["availability"] == pytest.approx(
            row["availability"] - row["previous"]["availability"], abs=1e-9
        )
    # A Sunday has no availability, and then no difference of it either.
    assert [rows[5]["availability"], rows[5]["change"]["availability"]] == [None, None]


def test_days_that_a_change_touched_are_left_out_and_counted(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection, database_url: str
) -> None:
    dates = {"first_day": "2024-10-01", "last_day": "2024-10-27", "group": "label:region"}
    before = ask(api, **dates)
    poll_late(database_url)
    after = ask(api, **dates)
    touched = [row for row in after["rows"] if row["days_missing"]]
    assert {row["group"] for row in touched} == {"north"}
    assert {"2024-10-08", "2024-10-10", "2024-10-13"} < {row["period"] for row in touched}
    assert after["days_missing"] == len(touched) < 20
    assert all(row["days"] == row["open_us"] == row["outages"] == 0 for row in touched)
    whole = [row for row in after["rows"] if not row["days_missing"]]
    assert all(row in before["rows"] for row in whole)
    (north,) = [row for row in after["totals"] if row["group"] == "north"]
    parts = [row for row in after["rows"] if row["group"] == "north"]
    assert all(north[name] == sum(row[name] for row in parts) for name in (*_US, "outages", "days"))
    build(database_url, worker, FIRST, LAST)
    assert ask(api, **dates)["days_missing"] == 0
    # Rules or zones of another release made the facts.
    conn.execute("update store_day_mark set tzdata_version = 'other'")
    assert ask(api, **dates)["days_missing"] == 3 * 27


def test_a_key_sees_its_stores_only(api: TestClient, conn: psycopg.Connection, database_url: str) -> None:
    with psycopg.connect(database_url) as other:
        key = create_key(other, name="n", scopes=["reports:read"], store_labels={"region": "north"})
    headers = {"Authorization": f"Bearer {key}"}
    asked = {"first_day": "2024-10-07", "last_day": "2024-10-13", "group": "label:region"}
    found = api.get("/v1/series", params=asked, headers=headers).json()
    assert [row["group"] for row in found["totals"]] == ["north"]
    assert_sums(conn, found["totals"][0], ["a"])
    refused = api.get("/v1/series", params={**asked, "store": "b"}, headers=headers)
    assert "unknown" in problem(refused, 422, "invalid_request")["detail"]
    only = api.get("/v1/series", params={**asked, "label": "region:south"}, headers=headers).json()
    assert only["rows"] == []


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ({}, "query.window", "give either window, or both"),
        ({"window": "previous_day", "first_day": "2024-10-01"}, "query.window", "give either window"),
        ({"first_day": "2024-10-01"}, "query.window", "give either window"),
        ({"first_day": "2024-10-02", "last_day": "2024-10-01"}, "query.first_day", "exchange"),
        ({"first_day": "1999-12-31", "last_day": "2000-10-01"}, "query.first_day", "from 2000"),
        ({"first_day": "2023-01-01", "last_day": "2024-10-01"}, "query.first_day", "640 dates"),
        ({"window": "PT6H"}, "query.window", "no whole dates"),
        ({"window": "month_of:2024-12"}, "query.window", "begins after the newest poll (2024-10-31)"),
        ({"window": "previous_week", "group": "store", "limit": "3"}, "query.limit", "without order"),
        ({"window": "previous_day", "policy": "hold-scaled"}, "query.policy", "do not add up"),
        ({"window": "previous_day", "store": "nobody"}, "query.store", "unknown"),
        (
            {"window": "previous_day", "group": "region"},
            "query.group",
            "use all, zone, weekday, store, or label:NAME",
        ),
        ({"window": "previous_day", "group": "label:"}, "query.group", "invalid label name"),
    ],
)
def test_refusals(api: TestClient, query: dict[str, str], field: str, says: str) -> None:
    refused = problem(api.get("/v1/series", params=query), 422, "invalid_request")
    assert refused["field"] == field
    assert says in refused["detail"]


def test_more_groups_than_a_call_may_have(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MAX_GROUPS", 2)
    refused = problem(
        api.get("/v1/series", params={"window": "previous_day", "group": "label:region"}),
        422,
        "invalid_request",
    )
    assert (refused["field"], "at most 2 groups" in refused["detail"]) == ("query.group", True)


def test_without_polls_a_window_has_no_dates(api: TestClient, database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("truncate store cascade")
        conn.execute("update ledger_head set latest_observed_at = null")
    refused = problem(api.get("/v1/series", params={"window": "previous_day"}), 422, "invalid_request")
    assert "give first_day and last_day" in refused["detail"]
    assert ask(api, first_day="2024-10-01", last_day="2024-10-02")["rows"] == []


def test_stores_by_rank(api: TestClient, conn: psycopg.Connection, database_url: str) -> None:
    dates = {"first_day": "2024-10-07", "last_day": "2024-10-20", "by": "month"}
    shares = {store: ask(api, store=store, **dates)["totals"][0]["availability"] for store in ("a", "b", "c")}
    for order, ranked in (
        ("lowest", sorted(shares, key=lambda store: shares[store])),
        ("highest", sorted(shares, key=lambda store: -shares[store])),
    ):
        found = ask(api, group="store", order=order, compare="previous", **dates)["totals"]
        assert [row["group"] for row in found] == ranked
        for row in found:
            assert_sums(conn, row, [row["group"]])
            assert_sums(conn, row["previous"], [row["group"]])
        first = ask(api, group="store", order=order, limit=1, **dates)["totals"]
        assert [row["group"] for row in first] == ranked[:1]
    everyone = ask(api, group="store", **dates)["totals"]
    assert [row["group"] for row in everyone] == ["a", "b", "c"]
    # What a change touched does not count for the rank either.
    poll_late(database_url)
    whole = {
        row["group"]: row["availability"]
        for row in ask(api, group="store", order="lowest", **dates)["totals"]
    }
    assert list(whole) == sorted(whole, key=lambda store: whole[store])
    refused = problem(api.get("/v1/series", params={**dates, "order": "lowest"}), 422, "invalid_request")
    assert refused["field"] == "query.order"


def test_weekdays(api: TestClient, conn: psycopg.Connection) -> None:
    dates = {"first_day": "2024-10-02", "last_day": "2024-10-16", "group": "weekday"}
    found = ask(api, by="month", compare="previous", **dates)
    assert [row["group"] for row in found["totals"]] == [
        *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    ]
    assert [row["days"] for row in found["totals"]] == [6, 6, 9, 6, 6, 6, 6]
    assert found["days_missing"] == 0
    sums = (
        "select sum(up_us)::bigint, sum(outages)::bigint from store_day where policy = 'classic' and extract(isodow from"
        " local_date) = %s and local_date between '2024-10-02' and '2024-10-16'"
    )
    for number, row in enumerate(found["totals"], start=1):
        assert conn.execute(sums, [number]).fetchone() == (row["up_us"], row["outages"])
    assert found["totals"][6]["stores"] == 1
    by_day = ask(api, by="day", **dates)["rows"]
    assert [row["period"] for row in by_day if row["group"] == "Wednesday"] == [
        *("2024-10-02", "2024-10-09", "2024-10-16"),
    ]
