"""Service levels over HTTP, evaluated by a worker: numbers by hand, keys with limits, changes and removals."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from services.worker.levels.evaluate import evaluate_level
from services.worker.levels.evaluate_due import evaluate_due_level
from services.worker.levels.write import write_evaluations
from services.worker.load import one_snapshot
from shared.ids import new_id
from shared.keys import create_key
from shared.service_levels.terms import LevelTerms
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem
from tests.integration.api.test_report_parameters import content

# The newest poll is at noon of the 4th, so the 1st and the 2nd have ended everywhere.
FIRST = datetime(2024, 10, 1, tzinfo=UTC)
NEWEST = datetime(2024, 10, 4, 11, 30, tzinfo=UTC)
HALF_HOURS = [FIRST + timedelta(minutes=30 * n) for n in range(-200, 168)]


def polls(*down: tuple[int, int]) -> list[tuple[datetime, bool]]:
    """Polls each half hour, down from an hour of October to another one."""
    hours = [(FIRST + timedelta(hours=begin), FIRST + timedelta(hours=end)) for begin, end in down]
    return [(at, not any(begin <= at < end for begin, end in hours)) for at in HALF_HOURS if at <= NEWEST]


FLEET = {
    # Midpoints: each of them is down for as long as it is polled as inactive.
    "good": Store(polls(), "UTC"),
    "weak": Store(polls((30, 31)), "UTC"),
    "bad": Store(polls((1, 41)), "UTC"),
    "silent": Store([(FIRST - timedelta(days=9), True)], "UTC"),
}


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, FLEET)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("update store set labels = '{\"owner\": \"anna\"}' where store_id in ('good', 'weak')")
        yield conn


def put(api: TestClient, level: str, **body: Any) -> Any:
    answer = api.put(f"/v1/service-levels/{level}", json={"target": 0.97, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def show(api: TestClient, level: str, **query: Any) -> Any:
    answer = api.get(f"/v1/service-levels/{level}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def exclude(conn: psycopg.Connection, begin: int, end: int, reason: str, store: str = "good") -> None:
    """Close a store, with no poll inside that tells otherwise."""
    (seq,) = conn.execute(
        "update ledger_head set seq = seq + 1, data_cut = seq + 1, adjusted_seq = seq + 1 returning seq"
    ).fetchall()[0]
    conn.execute(
        "insert into closure (id, store_key, starts_at, ends_at, treatment, reason, since_seq)"
        " select %s, store_key, %s, %s, 'exclude', %s, %s from store where store_id = %s",
        [new_id(), FIRST + timedelta(hours=begin), FIRST + timedelta(hours=end), reason, seq, store],
    )


def test_a_month_by_hand(api: TestClient, worker: WorkerContext, conn: psycopg.Connection) -> None:
    del conn
    made = put(api, "all")
    assert (made["evaluation"], made["labels"], made["unknown"]) == (None, {}, "left_out")
    assert show(api, "all")["stores"] == []
    assert evaluate_due_level(worker) is True
    assert evaluate_due_level(worker) is None
    level = show(api, "all")
    evaluation = level["evaluation"]
    assert [evaluation[name] for name in ("first_day", "through", "last_day", "days_missing")] == [
        "2024-10-01", "2024-10-02", "2024-10-31", 0,
    ]  # fmt: skip
    assert evaluation["stores"] == {"ok": 1, "at_risk": 1, "missed": 1, "no_data": 1}
    stores = {store["store_id"]: store for store in level["stores"]}
    assert list(stores) == ["bad", "good", "silent", "weak"]
    # 31 days of 1,440 minutes are 44,640, of which 3 % are 1,339.2. The second day was down for 60 minutes of 1,440.
    weak = stores["weak"]
    assert {name: weak[name] for name in ("counted_minutes", "budget_minutes", "used_minutes", "left_minutes")} == {
        "counted_minutes": 2880, "budget_minutes": 1339.2, "used_minutes": 60, "left_minutes": 1279.2,
    }  # fmt: skip
    assert (weak["state"], weak["achieved"], weak["burn_rate"]) == ("at_risk", 0.979166, 1.38)
    assert weak["projected"] == 0.959677  # 1 - (60 + 41,760 / 24) / 44,640
    assert (stores["bad"]["state"], stores["bad"]["used_minutes"]) == ("missed", 2400)
    assert (stores["good"]["state"], stores["good"]["projected"]) == ("ok", 1)
    assert (stores["silent"]["state"], stores["silent"]["achieved"]) == ("no_data", None)
    assert stores["silent"]["unknown_minutes"] == 2880
    total = evaluation["total"]
    assert (total["counted_minutes"], total["used_minutes"]) == (3 * 2880, 2460)
    assert total["achieved"] == 0.715277  # 6,180 of 8,640
    assert show(api, "all", state="missed")["stores"] == [stores["bad"]]
    first = show(api, "all", limit=3)
    assert [store["store_id"] for store in first["stores"]] == ["bad", "good", "silent"]
    rest = show(api, "all", limit=3, cursor=first["next"])
    assert ([store["store_id"] for store in rest["stores"]], rest["next"]) == (["weak"], None)
    before = show(api, "all", period="previous")["evaluation"]
    assert (before["first_day"], before["through"], before["last_day"]) == (
        "2024-09-01",
        "2024-09-30",
        "2024-09-30",
    )


def test_unknown_time_and_caps(api: TestClient, worker: WorkerContext, conn: psycopg.Connection) -> None:
    # Twelve hours of maintenance, of which eight are excluded; another reason covers two of them and comes first.
    exclude(conn, 6, 18, "planned_maintenance")
    exclude(conn, 4, 8, "storm")
    put(api, "caps", caps={"planned_maintenance": 8})
    put(
        api,
        "constant",
        profile="constant-denominator",
        period="calendar_month",
        caps={"planned_maintenance": 8},
    )
    put(api, "up", profile="unknown-as-up")
    for _ in range(3):
        assert evaluate_due_level(worker)
    caps = {store["store_id"]: store for store in show(api, "caps")["stores"]}
    good = caps["good"]
    assert (good["over_cap_minutes"], good["excluded_minutes"]) == (2 * 60, 12 * 60)
    assert (good["counted_minutes"], good["used_minutes"]) == (2880 - 12 * 60, 2 * 60)
    assert good["budget_minutes"] == (44_640 - 12 * 60) * 0.03
    constant = {store["store_id"]: store for store in show(api, "constant")["stores"]}
    assert (constant["good"]["counted_minutes"], constant["good"]["used_minutes"]) == (2880, 2 * 60)
    assert (constant["silent"]["state"], constant["silent"]["used_minutes"]) == ("missed", 2880)
    up = {store["store_id"]: store for store in show(api, "up")["stores"]}
    assert (up["silent"]["state"], up["silent"]["achieved"]) == ("ok", 1)


def test_days_that_nobody_can_compute_are_named(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    del conn
    put(api, "year", profile="constant-denominator")
    assert evaluate_due_level(worker)
    evaluation = show(api, "year")["evaluation"]
    assert (evaluation["first_day"], evaluation["last_day"]) == ("2023-10-01", "2024-09-30")
    # Of 366 days, the last 62 are computed from polls.
    assert evaluation["days_missing"] == 4 * 304


def test_a_change_while_it_is_evaluated_wins(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    put(api, "all")
    with one_snapshot(conn) as snapshot:
        evaluation = evaluate_level(conn, LevelTerms(0.97), snapshot, NEWEST, 0)
    put(api, "all", target=0.5)
    assert not write_evaluations(conn, "all", 1, [evaluation])
    assert show(api, "all")["evaluation"] is None
    assert evaluate_due_level(worker) is True
    assert show(api, "all", state="missed")["evaluation"]["stores"]["missed"] == 0
    # Nothing has changed: it is not computed again, and its rows stay.
    rows = "select xmin::text, * from service_level_store order by ago, store_key"
    before = conn.execute(rows).fetchall()
    conn.execute("update service_level set due_at = clock_timestamp()")
    assert evaluate_due_level(worker) is True
    assert conn.execute(rows).fetchall() == before
    put(api, "all", target=0.6)
    assert show(api, "all")["evaluation"] is None, "an evaluation of other terms is not shown"


def test_keys_with_limits(api: TestClient, worker: WorkerContext, conn: psycopg.Connection) -> None:
    key = create_key(
        conn, name="anna", scopes=["reports:read", "reports:write"], store_labels={"owner": "anna"}
    )
    anna: dict[str, Any] = {"headers": {"Authorization": f"Bearer {key}"}}
    put(api, "all")
    for method in ("get", "delete"):
        problem(getattr(api, method)("/v1/service-levels/all", **anna), 404, "service_level_not_found")
    problem(api.put("/v1/service-levels/all", json={"target": 0.9}, **anna), 403, "forbidden")
    other = {"target": 0.9, "labels": {"owner": "ben"}}
    answer = problem(api.put("/v1/service-levels/hers", json=other, **anna), 422, "invalid_request")
    assert answer["field"] == "body.labels"
    made = api.put("/v1/service-levels/hers", json={"target": 0.9}, **anna).json()
    assert made["labels"] == {"owner": "anna"}
    assert evaluate_due_level(worker)
    assert evaluate_due_level(worker)
    found = api.get("/v1/service-levels/hers", **anna).json()
    assert [store["store_id"] for store in found["stores"]] == ["good", "weak"]
    listed = api.get("/v1/service-levels", **anna).json()["service_levels"]
    assert [level["name"] for level in listed] == ["hers"]
    listed = api.get("/v1/service-levels").json()["service_levels"]
    assert [level["name"] for level in listed] == ["all", "hers"]
    # A store that got other labels is not hers any more.
    conn.execute("update store set labels = '{}' where store_id = 'good'")
    found = api.get("/v1/service-levels/hers", **anna).json()
    assert [store["store_id"] for store in found["stores"]] == ["weak"]
    assert api.delete("/v1/service-levels/hers", **anna).status_code == 204
    problem(api.delete("/v1/service-levels/hers"), 404, "service_level_not_found")
    actions = conn.execute(
        "select action, subject, details from audit where action like 'service%%' order by id"
    ).fetchall()
    assert [(action, subject) for action, subject, _ in actions] == [
        ("service_level.set", "all"), ("service_level.set", "hers"), ("service_level.removed", "hers"),
    ]  # fmt: skip
    assert actions[1][2] == {"target": 0.9, "labels": {"owner": "anna"}}


@pytest.mark.parametrize(
    ("level", "body", "field"),
    [
        ("North", {"target": 0.9}, "path.level"),
        ("x", {"target": 0}, "body.target"),
        ("x", {"target": 1.5}, "body.target"),
        ("x", {"target": 0.9, "period": "week"}, "body.period"),
        ("x", {"target": 0.9, "policy": "hold-scaled"}, "body.policy"),
        ("x", {"target": 0.9, "policy": "nonsense"}, "body.policy"),
        ("x", {"target": 0.9, "caps": {"holiday": -1}}, "body.caps"),
        ("x", {"target": 0.9, "caps": {str(n): 1 for n in range(21)}}, "body.caps"),
        ("x", {"target": 0.9, "goal": 1}, "body.goal"),
    ],
)
def test_wrong_terms_are_refused(api: TestClient, level: str, body: Any, field: str) -> None:
    answer = api.put(f"/v1/service-levels/{level}", json=body)
    assert problem(answer, 422, "invalid_request")["field"] == field


def test_there_is_a_limit(api: TestClient, conn: psycopg.Connection) -> None:
    conn.execute(
        "insert into service_level (name, profile, target, labels, period, policy, unknown, excluded, caps)"
        " select n::text, 'plain', 0.9, %s, 'calendar_month', 'classic', 'up', 'up', %s from generate_series(1, 100) n",
        [json.dumps({}), json.dumps({})],
    )
    problem(api.put("/v1/service-levels/x", json={"target": 0.9}), 409, "limit_reached")
    put(api, "7", target=0.8)


def test_an_owner_cannot_use_up_what_others_need(api: TestClient, conn: psycopg.Connection) -> None:
    key = create_key(
        conn, name="anna", scopes=["reports:read", "reports:write"], store_labels={"owner": "anna"}
    )
    anna = {"Authorization": f"Bearer {key}"}
    for number in range(10):
        made = api.put(f"/v1/service-levels/anna{number}", json={"target": 0.9}, headers=anna)
        assert made.status_code == 200
    refused = api.put("/v1/service-levels/anna10", json={"target": 0.9}, headers=anna)
    assert "limit is 10" in problem(refused, 409, "limit_reached")["detail"]
    assert api.put("/v1/service-levels/anna9", json={"target": 0.8}, headers=anna).json()["target"] == 0.8
    conn.execute(
        "insert into service_level (name, profile, target, labels, period, policy, unknown, excluded, caps)"
        " select n::text, 'plain', 0.9, '{}', 'calendar_month', 'classic', 'up', 'up', '{}' from generate_series(1, 99) n"
    )
    put(api, "the-hundredth")
    problem(api.put("/v1/service-levels/one-more", json={"target": 0.9}), 409, "limit_reached")


def make_file(
    api: TestClient, worker: WorkerContext, key: str | None = None, **asked: Any
) -> list[dict[str, Any]]:
    """The rows of the file of service levels of a new report, from its JSON; the CSV has the same ones."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    asked |= {"files": ["service_levels"], "formats": ["json"], "force": True}
    accepted = api.post("/v1/reports", json=asked, headers=headers)
    assert accepted.status_code == 202, accepted.text
    while compute_next(worker):
        pass
    report = api.get(f"/v1/reports/{accepted.json()['id']}", headers=headers).json()
    rows: list[dict[str, Any]] = json.loads(content(report, "json", "service_levels"))["service_levels"]
    lines = list(csv.DictReader(content(report, "csv", "service_levels").decode().splitlines()))
    assert len(lines) == len(rows)
    assert all(is_same(line[name], row[name]) for line, row in zip(lines, rows, strict=True) for name in line)
    return rows


def is_same(text: str, value: object) -> bool:
    if value is None:
        return text == ""
    return float(text) == value if isinstance(value, int | float) else text == value


def test_a_file_of_a_report_has_the_numbers_of_the_answers(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    assert make_file(api, worker) == []
    put(api, "all", target=0.9)
    put(api, "annas", labels={"owner": "anna"}, unknown="down")
    put(api, "later")
    while evaluate_due_level(worker):
        pass
    put(api, "later", target=0.5)
    rows = make_file(api, worker)
    assert {row["level"] for row in rows} == {"all", "annas"}, "a level with new terms is not evaluated"
    shown = (
        *("state", "achieved", "counted_minutes", "budget_minutes", "used_minutes", "left_minutes"),
        *("burn_rate", "projected"),
    )
    for level in ("all", "annas"):
        for period in ("current", "previous"):
            page = show(api, level, period=period)
            evaluation = page["evaluation"]
            mine = [row for row in rows if (row["level"], row["period"]) == (level, period)]
            assert [row["store_id"] for row in mine] == ["", *(one["store_id"] for one in page["stores"])]
            for row, expected in zip(mine, [evaluation["total"], *page["stores"]], strict=True):
                assert {name: row[name] for name in shown} == {name: expected[name] for name in shown}
                assert (row["target"], row["through"]) == (page["target"], evaluation["through"])
    some = make_file(api, worker, stores={"ids": ["weak", "silent"]})
    names = [row["store_id"] for row in some if row["period"] == "current"]
    assert names == ["", "silent", "weak", "", "weak"]
    assert some[0] == next(row for row in rows if row["level"] == "all"), "the total is about all stores"
    del conn


def test_a_limited_key_gets_only_the_levels_that_it_may_see(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    put(api, "all")
    put(api, "annas", labels={"owner": "anna"})
    while evaluate_due_level(worker):
        pass
    key = create_key(
        conn, name="anna", scopes=["reports:read", "reports:write"], store_labels={"owner": "anna"}
    )
    rows = make_file(api, worker, key)
    assert {(row["level"], row["store_id"]) for row in rows} == {
        ("annas", ""), ("annas", "good"), ("annas", "weak"),
    }  # fmt: skip
