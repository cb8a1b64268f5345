"""`GET /v1/stores/{store_id}` of a store with dated hours, special dates and a lifetime; the fields of the command."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from services.cli.store_hours import list_hours
from tests.fixtures.fleet import Store, load_fleet
from uptill_client import StoreDetail

TODAY = datetime.now(UTC).date()
BEFORE, AFTER = TODAY - timedelta(days=40), TODAY + timedelta(days=40)
NINE_TO_TEN = [3, 32_400, 36_000]
ROW = {"day_of_week": 3, "start_time_local": "09:00:00", "end_time_local": "10:00:00"}


@pytest.fixture
def url(env: dict[str, str]) -> str:
    undated = Store(timezone="UTC", hours=[(0, 3600, 7200)])
    load_fleet(env["UPTILL_DATABASE_URL"], {"bare": Store(timezone="UTC"), "weekly": undated})
    return env["UPTILL_DATABASE_URL"]


def adjust(url: str, table: str, store_id: str, **columns: Any) -> None:
    names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with psycopg.connect(url) as conn:
        conn.execute("update ledger_head set seq = seq + 1, adjusted_seq = seq + 1")
        conn.execute(
            f"insert into {table} (store_key, since_seq, {names})"
            f" select store_key, 1, {places} from store where store_id = %s",
            [*columns.values(), store_id],
        )


def dated(url: str, store_id: str, day: date, intervals: list[int]) -> None:
    adjust(url, "dated_hours", store_id, effective_from=day, intervals=intervals)


def shown(api: TestClient, store_id: str) -> dict[str, Any]:
    body: dict[str, Any] = api.get(f"/v1/stores/{store_id}").json()
    return body


def fields(body: dict[str, Any]) -> list[tuple[str, str]]:
    return list(list_hours(TypeAdapter(StoreDetail).validate_python(body)))


def test_a_store_with_only_dated_hours_is_not_open_around_the_clock(api: TestClient, url: str) -> None:
    dated(url, "bare", BEFORE, NINE_TO_TEN)
    body = shown(api, "bare")
    assert (body["hours"], body["is_open_24x7"]) == ([], False)
    assert body["dated_hours"] == [{"effective_from": str(BEFORE), "hours": [ROW], "applies_today": True}]
    assert fields(body)[0] == ("hours", f"from {BEFORE} (today)")
    assert ("Thu", "09:00:00-10:00:00") in fields(body)


def test_the_first_dated_hours_also_hold_before_their_date(api: TestClient, url: str) -> None:
    dated(url, "bare", AFTER, NINE_TO_TEN)
    body = shown(api, "bare")
    assert not body["is_open_24x7"]
    assert body["dated_hours"][0]["applies_today"]


def test_hours_without_a_date_apply_until_the_first_date(api: TestClient, url: str) -> None:
    dated(url, "weekly", AFTER, [])
    body = shown(api, "weekly")
    assert (len(body["hours"]), body["is_open_24x7"]) == (1, False)
    assert [each["applies_today"] for each in body["dated_hours"]] == [False]
    assert [name for name, _ in fields(body)].count("hours") == 2
    assert fields(body)[0] == ("hours", f"before {AFTER} (today)")
    assert fields(body)[-1] == ("every day", "open around the clock")


def test_the_latest_date_that_has_begun_applies(api: TestClient, url: str) -> None:
    dated(url, "weekly", BEFORE, NINE_TO_TEN)
    dated(url, "weekly", TODAY - timedelta(days=2), [])
    body = shown(api, "weekly")
    assert body["is_open_24x7"]
    assert [each["applies_today"] for each in body["dated_hours"]] == [False, True]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("special_hours", {"date": TODAY, "intervals": []}),
        ("lifetime", {"closed_at": datetime.now(UTC) - timedelta(days=3)}),
        ("lifetime", {"opened_at": datetime.now(UTC) + timedelta(days=3)}),
    ],
)
def test_a_special_date_and_a_lifetime_close_a_store_without_hours(
    api: TestClient, url: str, table: str, columns: dict[str, Any]
) -> None:
    assert shown(api, "bare")["is_open_24x7"]
    assert fields(shown(api, "bare")) == [("hours", "open around the clock, because no hours were imported")]
    adjust(url, table, "bare", **columns)
    assert not shown(api, "bare")["is_open_24x7"]
    assert "but today a special date or its lifetime decides" in fields(shown(api, "bare"))[0][1]


def test_a_calendar_counts_for_the_stores_with_its_labels(api: TestClient, url: str) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("update ledger_head set seq = seq + 1, adjusted_seq = seq + 1")
        conn.execute(
            "insert into calendar (name, labels, dates, since_seq) values ('c', '{\"a\": \"b\"}', %s, 1)",
            [f'{{"{TODAY}": []}}'],
        )
    assert shown(api, "bare")["is_open_24x7"]
    with psycopg.connect(url) as conn:
        conn.execute("update store set labels = '{\"a\": \"b\"}' where store_id = 'bare'")
    assert not shown(api, "bare")["is_open_24x7"]


def test_damaged_hours_leave_the_store_readable(api: TestClient, url: str) -> None:
    dated(url, "bare", BEFORE, [3, 32_400])
    assert shown(api, "bare")["dated_hours"] == []
