"""A platform's own figures beside ours: the numbers are those of a report, and each verdict follows from the bounds."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.use_cases import outages, reconcile
from services.worker.context import WorkerContext
from shared.keys import create_key
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(7)]
FLEET = {
    "a/b c": Store(
        [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(900)], "America/New_York", DAYTIME
    ),
    "night": Store(
        [(NOW - timedelta(minutes=47 * n), n % 9 > 3) for n in range(900)], "Asia/Kathmandu", DAYTIME
    ),
    "plain": Store([(NOW - timedelta(minutes=53 * n), n % 4 != 0) for n in range(600)]),
    "quiet": Store([(NOW - timedelta(days=20), True)], "Europe/Berlin", DAYTIME),
    "never": Store(timezone="Europe/Berlin"),
    "eventful": Store(
        [
            *((NOW - timedelta(hours=n), True) for n in range(100)),
            (datetime(2024, 11, 2, 12, 20, tzinfo=UTC), False),
            (datetime(2024, 11, 2, 12, 30, tzinfo=UTC), True),
        ],
        "UTC",
        DAYTIME,
    ),
}
DAYS = ("2024-10-28", "2024-11-02", "2024-11-03")  # the clocks of New York change on the last
HOUR_US = 3_600_000_000


@pytest.fixture(autouse=True)
def conn(env: dict[str, str]) -> Iterator[psycopg.Connection]:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        conn.execute("update store set display_name = 'Night Owl' where store_id = 'night'")
        yield conn


def compared(api: TestClient, *figures: dict[str, Any], **terms: Any) -> list[dict[str, Any]]:
    answer = api.post("/v1/reconciliations", json={"figures": list(figures), **terms})
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert sum(body["counts"].values()) == len(figures)
    found: list[dict[str, Any]] = body["figures"]
    assert [each["store_id"] for each in found] == [figure["store_id"] for figure in figures]
    for each in found:
        if each["verdict"] != "not_compared":
            assert each["difference_us"] == each["theirs_us"] - each["down_us"]
            assert 0 <= each["down_min_us"] <= each["down_max_us"] <= each["open_us"]
    return found


def figure(store_id: str, day: str = DAYS[1], hours: float = 0) -> dict[str, Any]:
    return {"store_id": store_id, "date": day, "down_s": hours * 3600}


@pytest.mark.parametrize("policy", ["classic", "hold", "backfill-1m"])
def test_our_numbers_are_those_of_a_report(
    api: TestClient, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    asked = {
        "windows": [f"day_of:{day}" for day in DAYS],
        "detail": True,
        "policy": policy,
        "stores": {"ids": ["a/b c", "night", "plain", "quiet"]},
    }
    report_id = api.post("/v1/reports", json=asked).json()["id"]
    work(worker, report_id)
    (file,) = api.get(f"/v1/reports/{report_id}").json()["files"]
    rows = {row["store_id"]: row for row in csv.DictReader(io.StringIO(httpx2.get(file["url"]).text))}
    # Several reads, and reads that must be halved.
    monkeypatch.setattr(reconcile, "MAX_WINDOW", timedelta(days=3))
    monkeypatch.setattr(outages, "MAX_POLLS", 1500)
    figures = [figure(store_id, day, 1) for store_id in rows for day in DAYS]
    for found, given in zip(compared(api, *figures, policy=policy), figures, strict=True):
        row = rows[given["store_id"]]

        def shown(kind: str, row: dict[str, str] = row, day: str = given["date"]) -> float:
            (name,) = (
                name
                for name in row
                if name.startswith(f"{kind}_") and day.replace("-", "_") in name.replace("-", "_")
            )
            return float(row[name])

        assert found["down_us"] / HOUR_US == pytest.approx(shown("downtime"), abs=1e-4)
        assert found["unknown_us"] / HOUR_US == pytest.approx(shown("unknown"), abs=1e-4)
        open_us = found["open_us"]
        assert (open_us - found["down_max_us"]) / HOUR_US == pytest.approx(shown("uptime_min"), abs=1e-4)
        assert (open_us - found["down_min_us"]) / HOUR_US == pytest.approx(shown("uptime_max"), abs=1e-4)
        assert found["polls"] == int(shown("polls"))


def test_verdicts_follow_from_the_bounds(api: TestClient) -> None:
    (ours,) = compared(api, figure("night"))
    low, down, high = (ours[name] / HOUR_US for name in ("down_min_us", "down_us", "down_max_us"))
    assert 0 < low < down < high
    given = {
        down: "agrees",
        down + 50 / 3600: "agrees",
        down + 61 / 3600: "within_bounds",
        low: "within_bounds",
        high: "within_bounds",
        low - 59 / 3600: "within_bounds",
        low - 61 / 3600: "beyond_bounds",
        high + 61 / 3600: "beyond_bounds",
    }
    found = compared(api, *(figure("night", hours=hours) for hours in given))
    assert [each["verdict"] for each in found] == list(given.values())
    assert found[0]["name"] == "Night Owl"
    assert found[0]["causes"] == []
    assert found[2]["causes"] == ["between_polls"]
    strict = compared(api, figure("night", hours=down + 2 / 3600), within_s=1)
    assert strict[0]["verdict"] == "within_bounds"


def test_a_percentage_is_one_of_the_open_time(api: TestClient) -> None:
    (ours,) = compared(api, figure("a/b c"))
    percent = 100 - 100 * ours["down_us"] / ours["open_us"]
    (found,) = compared(api, {"store_id": "a/b c", "date": DAYS[1], "uptime_percent": percent})
    assert found["verdict"] == "agrees"


def test_a_window_is_local_unless_it_has_an_offset(api: TestClient) -> None:
    local = {"store_id": "a/b c", "from": "2024-11-03T00:00", "to": "2024-11-04T00:00", "down_s": 0}
    instants = {**local, "from": "2024-11-03T04:00Z", "to": "2024-11-04T05:00Z"}
    day = figure("a/b c", DAYS[2])
    found = compared(api, local, instants, day)
    assert found[0] == found[1] == found[2]
    assert (found[0]["begin"], found[0]["end"]) == ("2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z")


def test_clocks_that_change_within_a_window_cost_no_other_figure(api: TestClient) -> None:
    skipped = {"store_id": "a/b c", "from": "2024-03-10T02:00", "to": "2024-03-10T03:00", "down_s": 0}
    longer = {"store_id": "a/b c", "from": "2024-10-04T00:00", "to": "2024-11-04T00:00", "down_s": 0}
    found = compared(api, skipped, longer)
    assert found[0]["causes"] == ["skipped_time"]
    assert found[1]["begin"] == "2024-10-04T04:00:00Z"
    assert found[1]["end"] == "2024-11-04T05:00:00Z"


def test_hours_explain_no_difference_that_events_rule_out(api: TestClient, conn: psycopg.Connection) -> None:
    conn.execute(
        "insert into poll_note (observed_at, since_seq, store_key, code)"
        " select given.at, seq, store_key, code from store, ledger_head,"
        " (values (timestamptz '2024-11-02T12:20Z', 2), ('2024-11-02T12:30Z', 3)) given (at, code)"
        " where store_id = 'eventful'"
    )
    exact, less = compared(api, figure("eventful", hours=1 / 6), figure("eventful", hours=1 / 12))
    assert (exact["verdict"], exact["down_us"], exact["down_min_us"]) == (
        "agrees",
        HOUR_US // 6,
        HOUR_US // 6,
    )
    assert (less["verdict"], less["causes"]) == ("beyond_bounds", ["polls"])


def test_what_may_explain_a_difference(api: TestClient, conn: psycopg.Connection) -> None:
    (key,) = conn.execute("select store_key from store where store_id = 'a/b c'").fetchall()[0]
    conn.execute("update ledger_head set seq = seq + 1, adjusted_seq = seq + 1")
    conn.execute(
        "insert into closure (id, store_key, starts_at, ends_at, treatment, reason, since_seq) values"
        " (gen_random_uuid(), %s, '2024-10-28T14:00Z', '2024-10-29T02:00Z', 'exclude', 'works', (select seq from ledger_head))",
        [key],
    )
    always = compared(api, figure("plain", hours=24))[0]
    assert (always["verdict"], always["causes"]) == ("beyond_bounds", ["no_hours", "default_zone"])
    causes = {
        name: each["causes"]
        for name, each in zip(
            ("outside hours", "closure", "silence", "today", "tomorrow", "unknown", "never", "polls"),
            compared(
                api,
                figure("night", hours=13),
                figure("a/b c", DAYS[0], hours=2.5),
                figure("quiet", hours=3),
                figure("night", "2024-11-04", hours=0),
                figure("night", "2024-11-06"),
                figure("nobody"),
                figure("never"),
                figure("night", hours=0),
            ),
            strict=True,
        )
    }
    assert causes["outside hours"] == ["hours"]
    assert causes["closure"] == ["closures"]
    assert causes["silence"] == ["no_polls"]
    assert "not_over" in causes["today"]
    assert causes["tomorrow"] == ["not_over"]
    assert causes["unknown"] == ["unknown_store"]
    assert causes["never"] == ["no_polls"]
    assert causes["polls"] == ["polls"]


def test_a_store_that_the_caller_may_not_see_is_unknown(api: TestClient, conn: psycopg.Connection) -> None:
    conn.execute("update store set labels = %s where store_id = 'night'", [json.dumps({"region": "n"})])
    key = create_key(conn, name="north", scopes=["reports:read"], store_labels={"region": "n"})
    api.headers["authorization"] = f"Bearer {key}"
    found = compared(api, figure("plain"), figure("night"))
    assert found[0]["causes"] == ["unknown_store"]
    assert found[1]["verdict"] != "not_compared"


def test_a_store_that_cannot_be_computed_costs_only_itself(api: TestClient, conn: psycopg.Connection) -> None:
    conn.execute("update store set timezone = 'Mars/Olympus' where store_id = 'plain'")
    found = compared(api, figure("plain"), figure("night"))
    assert found[0]["causes"] == ["not_computed"]
    assert found[1]["verdict"] != "not_compared"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"store_id": "night", "down_s": 1}, "date"),
        ({"store_id": "night", "date": DAYS[0]}, "down_s"),
        ({**figure("night"), "uptime_percent": 3}, "uptime_percent"),
        ({**figure("night"), "from": "2024-10-10T00:00"}, "from"),
        ({**figure("night"), "date": "14.10.2024"}, "2024-10-14"),
        ({**figure("night"), "date": "0001-01-01"}, "2024-10-14"),
        ({**figure("night"), "date": "20241028"}, "2024-10-14"),
        ({**figure("night"), "date": "2024-W44-1"}, "2024-10-14"),
        ({"store_id": "night", "from": "2024-10-10T00:00", "to": "2024-10-11", "down_s": 1}, "18:00"),
        ({"store_id": "night", "from": "20241010T0000", "to": "2024-10-11T00:00", "down_s": 1}, "18:00"),
        ({**figure("night"), "down_s": -1}, "down_s"),
        ({"store_id": "night", "from": "2024-10-10T00:00", "to": "2024-12-10T00:00", "down_s": 1}, "31 days"),
        ({"store_id": "night", "from": "2024-10-10T00:00", "to": "2024-10-10T00:00", "down_s": 1}, "empty"),
    ],
)
def test_a_wrong_figure_is_named(api: TestClient, wrong: dict[str, Any], field: str) -> None:
    answer = api.post("/v1/reconciliations", json={"figures": [figure("night"), wrong]})
    body = problem(answer, 422, "invalid_request")
    assert field in json.dumps(body)
    assert "figures.1" in json.dumps(body)
