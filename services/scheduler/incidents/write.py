"""Write what an evaluation changes, in the caller's transaction. Gives new incidents their ids."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from services.scheduler.incidents.read import StoredRule
from shared.db.queries import queries
from shared.ids import new_id
from shared.incidents.groups import group_label
from shared.incidents.machine import ENDS, Change, EventKind
from shared.incidents.terms import RuleKind

_SQL = queries("incidents")


def write_changes(
    conn: psycopg.Connection, rules: Mapping[str, StoredRule], changes: Sequence[Change], now_us: int
) -> list[Change]:
    """Write incidents, members and events. Return the changes with ids, in the same order."""
    stored = [_with_id(change) for change in changes]
    opened = [change for change in stored if change.event is EventKind.OPENED]
    # Of several changes of one incident the last one has what it is after all of them.
    others = {change.incident.id: change for change in stored if change.event is not EventKind.OPENED}
    with conn.cursor() as cursor:
        _run(cursor, "insert_incident", [_as_new(rules[each.incident.rule], each) for each in opened])
        evidence: dict[Any, dict[str, Any]] = {}
        for change in stored:
            evidence.setdefault(change.incident.id, {}).update(change.evidence or {})
        _run(
            cursor,
            "update_incident",
            [_as_update(each, evidence[each.incident.id], now_us) for each in others.values()],
        )
        for change in stored:
            of_incident = {"id": change.incident.id, "now_us": now_us}
            joined = [{**of_incident, "store_key": key, "run_us": run} for key, run in change.joined.items()]
            left = [{**of_incident, "store_key": key, "cause": cause} for key, cause in change.left.items()]
            _run(cursor, "leave_member", left)
            _run(cursor, "join_member", joined)
        _run(cursor, "insert_event", [_as_event(change, now_us) for change in stored])
    return stored


def _run(cursor: psycopg.Cursor, query: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        cursor.executemany(_SQL[query], rows)


def _with_id(change: Change) -> Change:
    if change.incident.id is not None:
        return change
    return replace(change, incident=replace(change.incident, id=new_id()))


def _as_new(rule: StoredRule, change: Change) -> dict[str, Any]:
    incident, labels = change.incident, dict(rule.terms.labels)
    if rule.terms.kind is RuleKind.GROUP_DOWN:
        name, value = group_label(rule.terms, incident.subject)
        labels[name] = value
    return {
        "id": incident.id,
        "rule": incident.rule,
        "kind": rule.terms.kind.value,
        "subject": incident.subject,
        "store_key": incident.store_key,
        "labels": Jsonb(labels),
        "evidence": Jsonb(dict(change.evidence or {})),
        **_instants(change),
    }


def _as_update(change: Change, evidence: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    return {
        "id": change.incident.id,
        "flaps": change.incident.flaps,
        "ended_as": change.event.value if change.event in ENDS else None,
        "cause": change.cause if change.event in ENDS else None,
        "evidence": Jsonb(dict(evidence)),
        "now_us": now_us,
        **_instants(change),
    }


def _instants(change: Change) -> dict[str, int]:
    """Return the instants of the incident; -1: there is none."""
    incident = change.incident
    names = ("opened_us", "proved_us", "run_us", "earliest_us", "latest_us", "calm_us")
    return {name: -1 if getattr(incident, name) is None else getattr(incident, name) for name in names}


def _as_event(change: Change, now_us: int) -> dict[str, Any]:
    causes: dict[str, int] = {}
    for cause in change.left.values():
        causes[cause] = causes.get(cause, 0) + 1
    details = {
        **({"cause": change.cause} if change.cause else {}),
        **({"joined": len(change.joined)} if change.joined else {}),
        **({"left": causes} if causes else {}),
        **(change.evidence or {}),
    }
    return {"id": change.incident.id, "now_us": now_us, "kind": change.event.value, "details": Jsonb(details)}
