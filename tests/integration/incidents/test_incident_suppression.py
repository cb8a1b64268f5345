"""Groups and feeds: one incident in place of many, for those who may see it, and one message about it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from shared.keys import create_key
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem
from tests.integration.live.live_fleet import change_polls, make_weeks_of_now

Look = Callable[[], int]
PutRule = Callable[..., Any]
Incidents = Callable[..., list[Any]]
CITIES = {"a": "oslo", "b": "oslo", "c": "oslo", "d": "oslo", "e": "rome", "f": "rome"}
GROUP = {"by": "city", "at_least": 3, "window_minutes": 60}


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    """Six stores that were polled every five minutes and are up."""
    now = datetime.now(UTC)
    polls = [(now - timedelta(minutes=minutes), True) for minutes in range(2, 62, 5)]
    load_fleet(database_url, {name: Store(polls) for name in CITIES})
    with psycopg.connect(database_url, autocommit=True) as conn:
        for name, city in CITIES.items():
            conn.execute("update store set labels = %s where store_id = %s", [Jsonb({"city": city}), name])
        conn.execute(
            "insert into channel (name, kind, destination, shown, per_minute, attach)"
            " values ('ops', 'email', '{}', 'x', 20, true), ('boss', 'email', '{}', 'x', 20, true)"
        )
        yield conn


def go_down(conn: psycopg.Connection, names: str) -> None:
    for name in names:
        change_polls(conn, name, active=False)


def go_up(conn: psycopg.Connection, names: str) -> None:
    make_weeks_of_now(conn)
    conn.execute("update ledger_head set seq = seq + 1, history_seq = seq + 1, latest_observed_at = now()")
    conn.execute(
        "insert into observation (store_key, observed_at, is_active)"
        " select store_key, now() - interval '1 second', true from store where store_id = any(%s)",
        [list(names)],
    )


def go_silent(conn: psycopg.Connection, names: str) -> None:
    """Move all polls of stores an hour back."""
    make_weeks_of_now(conn)
    conn.execute("update ledger_head set seq = seq + 1, history_seq = seq + 1")
    conn.execute(
        "update observation set observed_at = observed_at - interval '1 hour'"
        " where store_key in (select store_key from store where store_id = any(%s))",
        [list(names)],
    )


def told(conn: psycopg.Connection, channel: str = "ops") -> list[tuple[Any, ...]]:
    return conn.execute(
        "select event, notice ->> 'what', notice ->> 'where', (notice ->> 'member_count')::int"
        " from channel_event where channel = %s order by queued_at, event",
        [channel],
    ).fetchall()


def test_a_group_is_one_incident_in_place_of_those_of_its_members(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents, api: TestClient
) -> None:
    put_rule("down", "store_down", parameters={"inactive_polls": 1}, delivery={"channels": ["ops"]})
    put_rule("city", "group_down", parameters=GROUP, delivery={"channels": ["ops"]})
    go_down(conn, "ae")
    look()
    assert {each["store_id"] for each in incidents(state="open")} == {"a", "e"}
    go_down(conn, "bc")
    look()
    group, other = sorted(incidents(state="open"), key=lambda each: each["rule"])
    assert (group["subject"], group["members"], other["store_id"]) == ("oslo", 3, "e")
    assert [each["cause"] for each in incidents(state="resolved")] == ["grouped"]
    go_down(conn, "d")
    look()
    go_up(conn, "abcd")
    look()
    shown = api.get(f"/v1/incidents/{group['id']}").json()
    assert shown["state"] == "resolved"
    assert {each["cause"] for each in shown["stores"]} == {"recovered"}
    assert [each["kind"] for each in shown["events"]] == ["opened", "joined", "left", "calm", "resolved"]
    assert told(conn) == [
        ("incident.opened", "2 stores are down", "all stores", 2),
        ("incident.opened", "group of stores is down", "city=oslo", 3),
        ("incident.updated", "group of stores is down", "city=oslo", 4),
        ("incident.resolved", "group of stores is down", "city=oslo", 0),
    ]


def test_a_silent_feed_is_one_incident_in_place_of_silent_stores(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("silent", "store_silent")
    put_rule("feed", "feed_silent", parameters={"min_stores": 4}, labels={"city": "oslo"})
    go_silent(conn, "ae")
    look()
    assert {each["store_id"] for each in incidents(state="open")} == {"a", "e"}
    go_silent(conn, "bcdf")
    look()
    feed = incidents(state="open", kind="feed_silent")
    assert [each["evidence"]["stores_quiet"] for each in feed] == [4]
    assert {each["store_id"] for each in incidents(state="open", kind="store_silent")} == {"e", "f"}
    assert [each["cause"] for each in incidents(state="resolved")] == ["feed_silent"]
    go_up(conn, "abcdef")
    look()
    assert incidents(state="open") == []


def test_what_a_key_of_some_stores_sees(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, api: TestClient
) -> None:
    put_rule("down", "store_down", parameters={"inactive_polls": 1})
    put_rule("city", "group_down", parameters=GROUP)
    go_down(conn, "abce")
    look()
    conn.execute("""update store set labels = labels || '{"owner": "anna"}' where store_id = 'a'""")

    def seen(**labels: str) -> list[tuple[Any, ...]]:
        key = create_key(conn, name="x", scopes=["reports:read", "reports:write"], store_labels=labels)
        headers = {"Authorization": f"Bearer {key}"}
        found = api.get("/v1/incidents", headers=headers).json()["incidents"]
        assert api.get("/v1/alert-rules", headers=headers).json()["alert_rules"] == []
        for each in found:
            path = f"/v1/incidents/{each['id']}"
            shown = api.get(path, headers=headers).json()
            assert bool(shown["events"]) is each["is_whole"]
            answer = api.patch(path, headers=headers, json={"note": "seen"})
            assert answer.status_code == (200 if each["is_whole"] else 403)
        return [(each["rule"], each["members"], each["is_whole"]) for each in found]

    assert seen(city="oslo") == [("city", 3, True)]
    assert seen(owner="anna") == [("city", 1, False)]
    assert seen(city="rome") == [("down", 0, True)]
    hidden = api.get("/v1/incidents", params={"kind": "group_down"}).json()["incidents"][0]["id"]
    key = create_key(conn, name="x", scopes=["reports:read"], store_labels={"city": "rome"})
    answer = api.get(f"/v1/incidents/{hidden}", headers={"Authorization": f"Bearer {key}"})
    problem(answer, 404, "incident_not_found")


def test_reminders_and_the_escalation_end_with_the_acknowledgement(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents, api: TestClient
) -> None:
    delivery = {
        "channels": ["ops"],
        "remind_minutes": 10,
        "escalate_channel": "boss",
        "escalate_after_minutes": 30,
    }
    put_rule("down", "store_down", parameters={"inactive_polls": 1}, delivery=delivery)
    go_down(conn, "a")
    look()
    for minutes in (5, 12, 12, 33):
        conn.execute("update incident set opened_at = now() - %s * interval '1 minute'", [minutes])
        look()
    events = [event for event, *_ in told(conn)]
    assert events == ["incident.opened", "incident.reminder", "incident.reminder"]
    assert [event for event, *_ in told(conn, "boss")] == ["incident.escalated"]
    (incident,) = incidents()
    path = f"/v1/incidents/{incident['id']}"
    for _ in range(2):
        assert api.patch(path, json={"acknowledged": True}).json()["state"] == "acknowledged"
    conn.execute("update incident set opened_at = now() - interval '2 hours'")
    look()
    assert [event for event, *_ in told(conn)] == [*events, "incident.acknowledged"]
    go_up(conn, "a")
    look()
    assert told(conn)[-1][0] == "incident.resolved"
    problem(api.patch(path, json={"acknowledged": True}), 409, "incident_ended")
    assert [each["kind"] for each in api.get(path).json()["events"]].count("acknowledged") == 1


def test_quiet_hours_delay_messages_and_not_the_evaluation(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    now = datetime.now(UTC)
    quiet = {
        "quiet_from": f"{now - timedelta(hours=1):%H:%M}",
        "quiet_until": f"{now + timedelta(hours=2):%H:%M}",
        "zone": "UTC",
    }
    put_rule("down", "store_down", parameters={"inactive_polls": 1}, delivery={"channels": ["ops"], **quiet})
    go_down(conn, "a")
    look()
    assert len(incidents(state="open")) == 1
    ((delay,),) = conn.execute("select not_before - now() from channel_event").fetchall()
    assert timedelta(hours=1, minutes=50) < delay <= timedelta(hours=2)
