"""Every worked case of events, to the microsecond, in the engine and in the oracle."""

import json
from typing import Any

import pytest

from shared.uptime.policy import POLICIES
from tests.oracle.accounting import MINUTE_US, Poll
from tests.oracle.adjusted import TermsStore, engine_outages, measured_terms
from tests.oracle.calendars import account_terms
from tests.oracle.outages import outages
from tests.unit.test_uptime_calendar_vectors import terms_of, windows_of
from tests.unit.test_uptime_vectors import PUBLISHED, instant_us

VECTORS = json.loads((PUBLISHED / "events.json").read_text())
each_case = pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
Case = dict[str, Any]


def store_of(case: Case) -> TermsStore:
    polls = [Poll(instant_us(at), status == "active", bool(event)) for at, status, *event in case["polls"]]
    return TermsStore(case["timezone"], terms_of(case), polls)


@each_case
def test_oracle(case: Case) -> None:
    numbers = account_terms(*store_of(case), instant_us(case["as_of"]), case["policy"], windows_of(case))
    assert numbers == case["expected"]


@each_case
def test_engine(case: Case) -> None:
    [numbers] = measured_terms([store_of(case)], instant_us(case["as_of"]), case["policy"], windows_of(case))
    assert numbers == case["expected"]


@each_case
def test_outages(case: Case) -> None:
    asked = instant_us(case["as_of"]), case["policy"], 24 * 60 * MINUTE_US
    [found] = engine_outages([store_of(case)], *asked)
    assert found == outages(*store_of(case), *asked)


def test_an_outage_between_two_events_begins_and_ends_at_them() -> None:
    case = next(case for case in VECTORS["cases"] if case["name"] == "example-classic")
    store = store_of(case)
    [[outage]] = engine_outages([store], instant_us(case["as_of"]), "classic", 24 * 60 * MINUTE_US)
    before, paused, resumed, _ = (poll.at_us for poll in store.polls)
    assert (outage.started_us, outage.ended_us) == (paused, resumed)
    assert (outage.last_up_poll_us, outage.first_down_poll_us) == (before, paused)
    assert (outage.last_down_poll_us, outage.first_up_poll_us) == (paused, resumed)


def test_the_cases_cover_every_policy() -> None:
    assert len(VECTORS["cases"]) == 29
    assert {case["policy"] for case in VECTORS["cases"]} == set(POLICIES)
