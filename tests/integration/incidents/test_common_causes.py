"""Rules for any label: the narrowest one that explains an outage, by the rates that insights found, is one incident."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem
from tests.integration.live.live_fleet import change_polls

Look = Callable[[], int]
PutRule = Callable[..., Any]
Incidents = Callable[..., list[Any]]
COMMON = {"by": "*", "false_alarms_per_year": 10}
NAMES = "abcdefghijklmnop"
LABELS = {
    name: {"region": "north" if place < 8 else "south", "franchise": "xyzw"[place // 4]}
    for place, name in enumerate(NAMES)
}


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    """Sixteen stores that were polled every five minutes and are up."""
    now = datetime.now(UTC)
    polls = [(now - timedelta(minutes=minutes), True) for minutes in range(2, 62, 5)]
    load_fleet(database_url, {name: Store(polls) for name in NAMES})
    with psycopg.connect(database_url, autocommit=True) as conn:
        for name, labels in LABELS.items():
            conn.execute("update store set labels = %s where store_id = %s", [Jsonb(labels), name])
        conn.execute(
            "insert into channel (name, kind, destination, shown, per_minute, attach) values ('ops', 'email', '{}', 'x', 20, true)"
        )
        yield conn


def go_down(conn: psycopg.Connection, names: str) -> None:
    for name in names:
        change_polls(conn, name, active=False)


def know_rates(conn: psycopg.Connection, **rates: float) -> None:
    """Write the rates of a run of insights; `fleet` is that of all stores."""
    conn.execute("insert into outage_rate values ('', '', %s)", [rates.pop("fleet")])
    for value, rate in rates.items():
        conn.execute("insert into outage_rate values ('franchise', %s, %s)", [value, rate])


@pytest.mark.parametrize(
    ("down", "about"),
    [("abcd", "franchise=x"), ("abcdefgh", "region=north"), ("aeim", None), (NAMES, None)],
)
def test_the_label_that_explains_most_is_the_incident(
    conn: psycopg.Connection,
    look: Look,
    put_rule: PutRule,
    incidents: Incidents,
    api: TestClient,
    down: str,
    about: str | None,
) -> None:
    put_rule("common", "group_down", parameters=COMMON, delivery={"channels": ["ops"]})
    put_rule("down", "store_down", parameters={"inactive_polls": 1})
    go_down(conn, down)
    look()
    found = incidents(state="open", kind="group_down")
    alone = {each["store_id"] for each in incidents(state="open", kind="store_down")}
    if about is None:
        assert (found, alone) == ([], set(down))
        return
    (group,) = found
    assert (group["subject"], group["members"], alone) == (about, len(down), set())
    assert group["evidence"]["stores_down"] == len(down) > group["evidence"]["stores_down_by_chance"]
    shown = api.get(f"/v1/incidents/{group['id']}").json()
    assert sorted(each["store_id"] for each in shown["stores"]) == sorted(down)
    assert conn.execute("select notice ->> 'where' from channel_event").fetchall() == [(about,)]
    assert look() == 0, "the second look changes nothing"


def test_a_later_outage_joins_the_narrowest_incident(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("common", "group_down", parameters=COMMON)
    go_down(conn, "abcd")
    look()
    conn.execute("update store set labels = labels || '{\"franchise\": \"x\"}' where store_id = 'e'")
    go_down(conn, "efi")
    look()
    (group,) = incidents(state="open")
    assert (group["subject"], group["members"]) == ("franchise=x", 5)


def test_what_insights_know_of_a_label_decides_how_many_are_enough(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("x", "group_down", parameters={**COMMON, "by": "franchise"})
    know_rates(conn, fleet=0.02, x=0.3)
    go_down(conn, "abcd")
    look()
    assert incidents() == [], "they are often down"
    conn.execute("update outage_rate set per_hour = 0.02")
    put_rule("x", "group_down", parameters={**COMMON, "by": "franchise"})
    look()
    (group,) = incidents(state="open")
    assert (group["subject"], group["evidence"]["stores_down_by_chance"]) == ("x", 0.08)


def test_the_release_before_reads_rules_without_a_limit(conn: psycopg.Connection, put_rule: PutRule) -> None:
    shown = put_rule("region", "group_down", parameters={"by": "region"})
    assert shown["parameters"]["false_alarms_per_year"] is None
    ((stored,),) = conn.execute("select parameters from alert_rule").fetchall()
    assert stored == {"by": "region", "at_least": 3, "share": None, "window_minutes": 60}


def test_a_rule_for_any_label_needs_a_limit_of_false_alarms(api: TestClient) -> None:
    given = {"kind": "group_down", "parameters": {"by": "*"}}
    found = problem(api.put("/v1/alert-rules/common", json=given), 422, "invalid_request")
    assert "false_alarms_per_year is missing" in found["detail"]
    given["parameters"] = {"by": "*", "false_alarms_per_year": 0}
    problem(api.put("/v1/alert-rules/common", json=given), 422, "invalid_request")
