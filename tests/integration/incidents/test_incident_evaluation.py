"""From polls to incidents: opened once, ended once, whoever looks and how often."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from services.scheduler.incidents.evaluate_due import evaluate_rules
from services.scheduler.retention import forget_incidents
from tests.integration.live.live_fleet import change_polls

Look = Callable[[], int]
PutRule = Callable[..., Any]
Incidents = Callable[..., list[Any]]


def test_a_store_that_is_down_has_one_incident(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents, pool: ConnectionPool
) -> None:
    put_rule("down", "store_down")
    assert look() == 1
    (incident,) = incidents()
    assert (incident["store_id"], incident["state"], incident["flaps"]) == ("down", "open", 0)
    assert incident["since_earliest"] < incident["since_latest"] < incident["opened_at"]
    assert incident["evidence"]["inactive_polls"] == 2
    assert look() == 0, "the second look finds the same"
    assert evaluate_rules(pool) == 0, "nothing is new"
    change_polls(conn, "down", active=True)
    assert look() == 2, "calm, and resolved"
    (incident,) = incidents()
    assert (incident["state"], incident["cause"]) == ("resolved", None)
    assert look() == 0


def test_a_correction_withdraws_what_it_disproves(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("down", "store_down")
    look()
    conn.execute("update observation set is_active = true")
    conn.execute("update ledger_head set seq = seq + 1, history_seq = seq + 1")
    assert look() == 1
    (incident,) = incidents()
    assert (incident["state"], incident["cause"]) == ("withdrawn", "late_data")


def test_an_incident_stays_open_for_a_while_and_counts_flaps(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("down", "store_down", hold_open_minutes=30)
    look()
    change_polls(conn, "down", active=True)
    look()
    (incident,) = incidents()
    assert incident["state"] == "open"
    assert incident["calm_at"] is not None
    change_polls(conn, "down", active=False)
    conn.execute(
        "update observation set observed_at = now() - interval '30 s'"
        " where (store_key, observed_at) = (select store_key, max(observed_at) from observation"
        " join store using (store_key) where store_id = 'down' group by 1)"
    )
    look()
    (incident,) = incidents()
    assert (incident["state"], incident["calm_at"], incident["flaps"]) == ("open", None, 1)


@pytest.mark.usefixtures("conn")
def test_two_evaluations_at_once_open_one_incident(
    look: Look, put_rule: PutRule, incidents: Incidents, pool: ConnectionPool
) -> None:
    look()
    put_rule("down", "store_down")
    put_rule("silent", "store_silent")
    changes: list[int] = []
    threads = [Thread(target=lambda: changes.append(evaluate_rules(pool))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changes) == [0, 2]
    assert {incident["store_id"] for incident in incidents()} == {"down", "silent"}


def test_the_index_refuses_a_second_open_incident(
    conn: psycopg.Connection, look: Look, put_rule: PutRule
) -> None:
    put_rule("down", "store_down")
    look()
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(
            "insert into incident (id, rule, kind, subject, store_key, labels, state, opened_at, proved_at, since_latest,"
            " evidence) select gen_random_uuid(), rule, kind, subject, store_key, labels, state, opened_at, proved_at,"
            " since_latest, evidence from incident"
        )


@pytest.mark.usefixtures("conn")
def test_removing_a_rule_or_its_kind_ends_its_incidents(
    look: Look, put_rule: PutRule, incidents: Incidents, api: Any
) -> None:
    put_rule("down", "store_down")
    look()
    put_rule("down", "late_opening")
    assert [each["cause"] for each in incidents()] == ["rule_changed"]
    put_rule("down", "store_down")
    assert look() == 1
    assert api.delete("/v1/alert-rules/down").status_code == 204
    assert [each["cause"] for each in incidents()] == ["rule_changed", "rule_removed"]
    assert look() == 0


@pytest.mark.usefixtures("conn")
def test_a_store_that_leaves_the_rule_has_no_incident_any_more(
    look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("down", "store_down", labels={"city": "oslo"})
    look()
    put_rule("down", "store_down", labels={"city": "rome"})
    look()
    assert [(each["state"], each["cause"]) for each in incidents()] == [("resolved", "left_rule")]


def test_a_service_level_at_risk(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("level", "service_level_at_risk", parameters={"service_level": "fleet"})
    look()
    assert incidents() == []
    conn.execute(
        "insert into service_level (name, profile, target, labels, period, policy, unknown, excluded, caps)"
        " values ('fleet', 'plain', 0.9, '{}', 'calendar_month', 'classic', 'left_out', 'left_out', '{}')"
    )
    conn.execute(
        "insert into service_level_result (name, ago, first_day, last_day, through, as_of, data_cut, revision, state,"
        " counted_us, down_us, last_counted_us, last_down_us, ahead_us, days_missing, stores, stores_failed)"
        " values ('fleet', 0, '2024-01-01', '2024-01-31', '2024-01-02', now(), 1, 1, 'at_risk', 1, 1, 1, 1, 1, 0, '{}', 0)"
    )
    assert look() == 1
    assert [each["subject"] for each in incidents(state="open")] == ["fleet"]
    conn.execute("update service_level_result set state = 'ok', evaluated_at = clock_timestamp()")
    look()
    assert incidents(state="open") == []


def test_a_rule_that_no_release_wrote_costs_only_itself(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("broken", "store_down")
    put_rule("silent", "store_silent")
    look()
    conn.execute("update alert_rule set parameters = '{\"x\": 1}', changed_at = now() where name = 'broken'")
    change_polls(conn, "silent", active=True)
    look()
    found = sorted((each["rule"], each["state"]) for each in incidents())
    assert found == [("broken", "open"), ("silent", "withdrawn")]


def test_incidents_are_forgotten_long_after_their_end(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, incidents: Incidents
) -> None:
    put_rule("down", "store_down")
    put_rule("silent", "store_silent")
    look()
    change_polls(conn, "down", active=True)
    look()
    assert forget_incidents(conn) == 0
    conn.execute("update incident set ended_at = now() - interval '401 days' where ended_at is not null")
    assert forget_incidents(conn) == 1
    assert [each["rule"] for each in incidents()] == ["silent"]


def test_a_refresh_that_is_under_way_is_waited_for_but_not_for_ever(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, pool: ConnectionPool
) -> None:
    look()
    put_rule("down", "store_down")
    due = "update report_batch set due_since = now() - %s::interval where batch_no = 0"
    conn.execute(due, ["1 second"])
    assert evaluate_rules(pool) == 0, "the stores of a group may be in another batch"
    conn.execute(due, ["11 seconds"])
    assert evaluate_rules(pool) == 1
