"""Words for incidents cover everything that rules and incidents can say."""

import pytest

from services.api.web.incident_words import (
    CAUSES,
    KIND_NAMES,
    KIND_TEXTS,
    cause_text,
    event_name,
    fact_lines,
    parameter_name,
)
from shared.clock import from_us
from shared.incidents.live_store import GONE_STATES
from shared.incidents.machine import EventKind
from shared.incidents.terms import PARAMETERS, RuleKind


@pytest.mark.parametrize("kind", RuleKind)
def test_each_kind_and_parameter_has_words(kind: RuleKind) -> None:
    assert KIND_NAMES[kind]
    assert KIND_TEXTS[kind].endswith(".")
    names = [parameter_name(kind.value, name) for name in PARAMETERS[kind]]
    assert all(each[0].isupper() for each in names), "those without words of their own are in lower case"


def test_each_event_and_cause_has_words() -> None:
    assert all(event_name(kind) for kind in EventKind)
    assert set(GONE_STATES) <= set(CAUSES)
    assert cause_text(None) == ""
    assert cause_text("something_new") == "something new"


def test_numbers_are_written_with_their_units() -> None:
    now = from_us(1_700_000_000_000_000)
    facts = {
        "inactive_polls": 1200,
        "down_open_us": 90_000_000,
        "last_poll_us": 1_699_999_940_000_000,
        "usual_gap_us": None,
        "left": {"recovered": 2},
        "note": "x",
        "odd": "\u202e",
    }
    assert fact_lines(facts, now) == [
        ("inactive polls", "1,200"),
        ("down open", "1 min 30 s"),
        ("last poll", "2023-11-14 22:12:20 UTC, 1 min ago"),
        ("left", "2 up again"),
        ("odd", "\\u202e"),
    ]
