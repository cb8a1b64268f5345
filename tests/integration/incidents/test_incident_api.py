"""Alert rules and incidents over HTTP: what is refused, filters and pages."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.incidents import stored_rules
from tests.fixtures.in_process import problem

PutRule = Callable[..., Any]
Incidents = Callable[..., list[Any]]


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"kind": "store_up"}, "body.kind"),
        ({"kind": "store_down", "parameters": {"polls": 2}}, "body.parameters.polls"),
        ({"kind": "store_down", "parameters": {"inactive_polls": 0}}, "body.parameters.inactive_polls"),
        ({"kind": "store_down", "parameters": {"inactive_polls": 1.5}}, "body.parameters.inactive_polls"),
        ({"kind": "store_down", "parameters": {"inactive_polls": "x"}}, "body.parameters.inactive_polls"),
        ({"kind": "store_down", "parameters": {"inactive_polls": None}}, "body.parameters.inactive_polls"),
        (
            {"kind": "store_down", "parameters": {"inactive_polls": []}},
            "body.parameters.inactive_polls: must be a number, a string or null, not a list",
        ),
        ({"kind": "store_silent", "parameters": {"missed_polls": 2}}, "body.parameters.missed_polls"),
        ({"kind": "group_down"}, "body.parameters.by"),
        ({"kind": "service_level_at_risk"}, "body.parameters.service_level"),
        ({"kind": "store_down", "hold_open_minutes": 1441}, "body.hold_open_minutes"),
        ({"kind": "store_down", "labels": {"": "x"}}, "body.labels"),
        ({"kind": "store_down", "delivery": {"channels": ["none"]}}, "body.delivery.channels"),
        ({"kind": "store_down", "delivery": {"quiet_from": "22:00"}}, "body.delivery.quiet_until"),
        ({"kind": "store_down", "delivery": {"zone": "EST5"}}, "body.delivery.zone"),
        ({"kind": "store_down", "delivery": {"weekdays": [1, 1]}}, "body.delivery.weekdays"),
        (
            {"kind": "store_down", "delivery": {"escalate_after_minutes": 5}},
            "body.delivery.escalate_after_minutes",
        ),
    ],
)
def test_terms_that_make_no_sense_are_refused(api: TestClient, terms: Any, field: str) -> None:
    answer = api.put("/v1/alert-rules/x", json=terms)
    assert answer.status_code == 422
    assert field in answer.text
    assert api.get("/v1/alert-rules").json() == {"alert_rules": []}


def test_a_rule_has_defaults_and_is_replaced_as_a_whole(api: TestClient, put_rule: PutRule) -> None:
    rule = put_rule("night", "store_down", labels={"city": "oslo"}, parameters={"down_minutes": 20})
    assert rule["parameters"] == {
        "inactive_polls": 2,
        "down_minutes": 20,
        "guard_after_opening_minutes": 10,
        "guard_before_closing_minutes": 10,
    }
    replaced = put_rule("night", "store_down", parameters={"inactive_polls": None, "down_minutes": 5})
    assert replaced["labels"] == {}
    assert replaced["parameters"]["inactive_polls"] is None
    assert api.get("/v1/alert-rules/night").json() == replaced
    assert api.delete("/v1/alert-rules/night").status_code == 204
    problem(api.delete("/v1/alert-rules/night"), 404, "alert_rule_not_found")


def test_names_and_numbers_of_rules_are_limited(
    api: TestClient, put_rule: PutRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.put("/v1/alert-rules/Night", json={"kind": "store_down"}).status_code == 422
    monkeypatch.setattr(stored_rules, "MAX_RULES", 1)
    put_rule("one", "store_down")
    put_rule("one", "store_silent")
    problem(api.put("/v1/alert-rules/two", json={"kind": "store_down"}), 409, "limit_reached")


def test_a_paused_rule_keeps_its_terms_and_opens_nothing(
    conn: psycopg.Connection, look: Callable[[], int], put_rule: PutRule, incidents: Incidents
) -> None:
    assert put_rule("down", "store_down", labels={"city": "oslo"})["paused"] is False
    look()
    paused = put_rule("down", "store_down", labels={"city": "oslo"}, paused=True)
    assert (paused["paused"], paused["open_incidents"], paused["labels"]) == (True, 0, {"city": "oslo"})
    look()
    assert [(each["state"], each["cause"]) for each in incidents()] == [("resolved", "rule_paused")]
    put_rule("down", "store_down", labels={"city": "oslo"})
    look()
    assert [each["state"] for each in incidents()] == ["resolved", "open"]
    audited = conn.execute(
        "select details ->> 'paused' from audit where action = 'alert_rule.set' order by id"
    )
    assert audited.fetchall() == [(None,), ("true",), (None,)]


def test_filters_and_pages(
    conn: psycopg.Connection,
    look: Callable[[], int],
    put_rule: PutRule,
    incidents: Incidents,
    api: TestClient,
) -> None:
    put_rule("down", "store_down")
    put_rule("silent", "store_silent")
    look()
    assert [each["rule"] for each in incidents(kind="store_silent")] == ["silent"]
    assert [each["store_id"] for each in incidents(rule="down")] == ["down"]
    assert [each["rule"] for each in incidents(store="silent")] == ["silent"]
    assert [each["rule"] for each in incidents(text="SILE")] == ["silent"]
    assert incidents(text="%") == []
    assert incidents(state=["resolved", "withdrawn"]) == []
    first = api.get("/v1/incidents", params={"limit": 1}).json()
    second = api.get("/v1/incidents", params={"limit": 1, "cursor": first["next"]}).json()
    assert {page["incidents"][0]["rule"] for page in (first, second)} == {"down", "silent"}
    assert second["next"] is None
    assert api.get("/v1/incidents?cursor=x").status_code == 422
    assert conn.execute("select count(*) from incident_event").fetchone() == (2,)


def test_changes_that_are_refused(
    conn: psycopg.Connection,
    look: Callable[[], int],
    put_rule: PutRule,
    incidents: Incidents,
    api: TestClient,
) -> None:
    put_rule("down", "store_down")
    look()
    path = f"/v1/incidents/{incidents()[0]['id']}"
    for body in ({}, {"acknowledged": False}, {"note": ""}, {"state": "resolved"}):
        assert api.patch(path, json=body).status_code == 422
    assert api.patch(path, json={"note": "on it"}).json()["state"] == "open"
    conn.execute("update incident set state = 'resolved', ended_at = now()")
    problem(api.patch(path, json={"acknowledged": True}), 409, "incident_ended")
    assert [each["kind"] for each in api.get(path).json()["events"]] == ["opened", "noted"]
    unknown = "/v1/incidents/01928a5c-6f00-7b3e-9c4a-2f1d0e5a7b68"
    problem(api.patch(unknown, json={"note": "x"}), 404, "incident_not_found")
