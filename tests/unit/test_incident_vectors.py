"""Every worked case of incidents, in the engine and in the oracle."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fixtures.incident_memory import IncidentMemory
from tests.oracle.accounting import DAY_US, MINUTE_US, SECOND_US, HoursRow, Poll
from tests.oracle.adjusted import TermsStore
from tests.oracle.calendars import Terms, Version
from tests.oracle.incidents import Case, Rule, Seen, Watch
from tests.oracle.live import live
from tests.property.test_incidents import SILENT_US, watched_store
from tests.property.test_uptime_live import rows_of
from tests.unit.test_uptime_vectors import PUBLISHED

MONDAY_US = int(datetime(2024, 10, 14, tzinfo=UTC).timestamp()) * SECOND_US
VECTORS = json.loads((PUBLISHED / "incidents.json").read_text())
Vector = dict[str, Any]


def instant_us(text: str) -> int:
    """Read "HH:MM", or "+1 HH:MM" for the day after."""
    days, _, clock = text.rpartition(" ")
    hours, minutes = map(int, clock.split(":"))
    return MONDAY_US + int(days or 0) * DAY_US + (hours * 60 + minutes) * MINUTE_US


def clock_text(at_us: int | None) -> str | None:
    if at_us is None:
        return None
    days, minutes = divmod((at_us - MONDAY_US) // MINUTE_US, 24 * 60)
    clock = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{days:+} {clock}" if days else clock


def terms_of(hours: list[str] | None) -> Terms:
    if hours is None:
        return Terms([Version(None, [])])
    opens_s, closes_s = ((instant_us(text) - MONDAY_US) // SECOND_US for text in hours)
    return Terms([Version(None, [HoursRow(day, opens_s, closes_s) for day in range(7)])])


def outcome(cases: Iterable[Case], names: list[str]) -> list[dict[str, Any]]:
    """Incidents in the form of the file, by when they opened."""
    return [
        {
            "rule": case.rule,
            "about": case.subject if case.store is None else names[case.store - 1],
            "state": case.state,
            "cause": case.cause,
            "since": [clock_text(case.earliest_us), clock_text(case.latest_us)],
            "opened": clock_text(case.opened_us),
            "calm": clock_text(case.calm_us),
            "ended": clock_text(case.ended_us),
            "flaps": case.flaps,
            "members": sorted(names[key - 1] for key in case.stores),
            "left": {names[key - 1]: cause for key, cause in sorted(case.left.items())},
        }
        for case in sorted(cases, key=lambda case: (case.opened_us, case.rule, case.store or 0))
    ]


def follow(vector: Vector) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the incidents of the engine and of the oracle after all steps."""
    rules = [Rule(**given) for given in vector["rules"]]
    usual = vector.get("usual")
    memory = IncidentMemory(rules, usual)
    # With the defaults of parameters that the file leaves out.
    watch = Watch([rule._replace(parameters=memory.terms[rule.name].parameters) for rule in rules], usual)
    names = list(vector["stores"])
    polls = {name: {instant_us("09:00") - n * 30 * MINUTE_US: True for n in range(60)} for name in names}
    for step in vector["steps"]:
        for name, at, status in step.get("polls", ()):
            polls[name][instant_us(at)] = status == "active"
        stores = [
            TermsStore("UTC", terms_of(vector["stores"][name]["hours"]), as_polls(polls[name]))
            for name in names
        ]
        labels = [vector["stores"][name].get("labels", {}) for name in names]
        now_us, levels = instant_us(step["at"]), step.get("levels", {})
        rows = rows_of(stores, now_us, SILENT_US)
        memory.evaluate(
            now_us, [watched_store(rows, n, labels[n], now_us) for n in range(len(names))], levels
        )
        seen = {n + 1: Seen(labels[n], live(*stores[n], now_us, SILENT_US)) for n in range(len(names))}
        watch.look(now_us, seen, levels)
    return outcome(memory.cases.values(), names), outcome(watch.cases, names)


def as_polls(polls: dict[int, bool]) -> list[Poll]:
    return [Poll(at_us, active) for at_us, active in sorted(polls.items())]


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: vector["name"])
def test_engine_and_oracle(vector: Vector) -> None:
    engine, oracle = follow(vector)
    assert engine == vector["expected"]
    assert oracle == vector["expected"]
