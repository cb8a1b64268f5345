"""Incidents in words: what their rules look for, why they ended, and what their evidence says. Must not know HTML."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.api.web.words import passed
from shared.clock import from_us
from shared.incidents.machine import EventKind
from shared.incidents.terms import RuleKind
from shared.pictures.words import length, plain, thousands

KIND_NAMES: Final[Mapping[str, str]] = {
    RuleKind.STORE_DOWN: "store down",
    RuleKind.STORE_SILENT: "store silent",
    RuleKind.FEED_SILENT: "feed silent",
    RuleKind.GROUP_DOWN: "group down",
    RuleKind.LATE_OPENING: "late opening",
    RuleKind.SERVICE_LEVEL_AT_RISK: "service level at risk",
}
KIND_TEXTS: Final[Mapping[str, str]] = {
    RuleKind.STORE_DOWN: "A store has several inactive polls in its opening hours, or is down for some minutes of them.",
    RuleKind.STORE_SILENT: "An open store has sent no poll for a multiple of its usual gap.",
    RuleKind.FEED_SILENT: "A large share of the open stores has no poll: the data stopped, not the stores.",
    RuleKind.GROUP_DOWN: "Several stores that share the value of a label went down together, or more of them than chance explains: one incident.",
    RuleKind.LATE_OPENING: "A store has opened by its hours, and no poll since then was active.",
    RuleKind.SERVICE_LEVEL_AT_RISK: "A service level is at risk or missed.",
}
# Of a parameter of a rule, in its form. Some depend on the kind.
PARAMETER_NAMES: Final[Mapping[str, str]] = {
    "inactive_polls": "Inactive polls in opening hours",
    "down_minutes": "Or minutes down in opening hours",
    "guard_after_opening_minutes": "Ignore the first minutes after opening",
    "guard_before_closing_minutes": "Ignore the last minutes before closing",
    "missed_polls": "Usual gaps without a poll",
    "feed_silent.share": "Share of the open stores without a poll, 0.01 to 1",
    "min_stores": "Only if at least this many stores are open",
    "by": "Stores that share the value of the label (*: any label, the one that explains most)",
    "at_least": "Stores that are down, at least",
    "group_down.share": "Or share of the open stores with the value, 0.01 to 1",
    "false_alarms_per_year": "And chance alone opens at most this many incidents a year",
    "window_minutes": "That went down within minutes",
    "after_minutes": "Minutes after opening",
    "service_level": "Service level",
}
# The state of stores whose shape and colour the page gives to an incident.
SHAPES: Final[Mapping[str, str]] = {RuleKind.STORE_SILENT: "silent", RuleKind.FEED_SILENT: "silent"}
_EVENT_NAMES: Final[Mapping[str, str]] = {
    EventKind.OPENED: "opened",
    EventKind.CALM: "condition ended",
    EventKind.FLAPPED: "began again",
    EventKind.CORRECTED: "begin corrected by later data",
    EventKind.JOINED: "stores joined",
    EventKind.LEFT: "stores left",
    EventKind.RESOLVED: "resolved",
    EventKind.WITHDRAWN: "withdrawn",
    EventKind.ACKNOWLEDGED: "acknowledged",
    EventKind.NOTED: "note",
}
CAUSES: Final[Mapping[str, str]] = {
    "late_data": "later data disprove it",
    "rule_removed": "its rule was removed",
    "rule_changed": "its rule is of another kind now",
    "rule_paused": "its rule was paused",
    "left_rule": "the rule is not for it any more",
    "grouped": "it belongs to an incident of its group",
    "feed_silent": "the feed is silent",
    "no_evidence": "no poll for seven days",
    "recovered": "up again",
    "ended": "the store has closed for good",
    "excluded": "a closure covers it",
    "closed": "the store has closed for the day",
}


def parameter_name(kind: str, name: str) -> str:
    """Return what a parameter of a rule means."""
    return PARAMETER_NAMES.get(f"{kind}.{name}") or PARAMETER_NAMES.get(name) or plain(name.replace("_", " "))


def event_name(kind: str) -> str:
    """Return what happened."""
    return _EVENT_NAMES.get(kind, plain(kind))


def cause_text(cause: str | None) -> str:
    """Return why something ended; empty if the condition did."""
    return "" if cause is None else CAUSES.get(cause, plain(cause.replace("_", " ")))


def fact_lines(facts: Mapping[str, Any], now: datetime) -> Sequence[tuple[str, str]]:
    """Return what was seen as names and texts. Numbers that are not known are left out."""
    return [
        (name.removesuffix("_us").replace("_", " "), _fact(name, value, now))
        for name, value in facts.items()
        if value is not None and name != "note"
    ]


def _fact(name: str, value: Any, now: datetime) -> str:
    match name, value:
        case "last_poll_us", int():
            return (
                f"{from_us(value).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {passed(now - from_us(value))} ago"
            )
        case "cause", str():
            return cause_text(value)
        case "left", Mapping():
            return ", ".join(f"{number} {cause_text(str(cause))}" for cause, number in value.items())
        case _, int() if name.endswith("_us"):
            return length(value)
        case _, int():
            return thousands(value)
    return plain(value)
