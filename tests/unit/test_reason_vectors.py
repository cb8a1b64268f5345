"""Every worked case of reasons, to the microsecond, in the engine and in the oracle."""

import json
from typing import Any

import pytest

from shared.uptime.policy import POLICIES
from tests.oracle.accounting import MINUTE_US, Poll
from tests.oracle.adjusted import TermsStore, engine_outages, engine_reason_times, measured_terms
from tests.oracle.calendars import account_terms
from tests.oracle.outages import outages, reason_times
from tests.unit.test_uptime_calendar_vectors import terms_of, windows_of
from tests.unit.test_uptime_vectors import PUBLISHED, instant_us

VECTORS = json.loads((PUBLISHED / "reasons.json").read_text())
each_case = pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
Case = dict[str, Any]


def store_of(case: Case) -> TermsStore:
    polls = []
    for at, status, *said in case["polls"]:
        event, reason = [*said, "", ""][:2]
        polls.append(Poll(instant_us(at), status == "active", event == "event", reason))
    return TermsStore(case["timezone"], terms_of(case), polls)


@each_case
def test_oracle(case: Case) -> None:
    asked = *store_of(case), instant_us(case["as_of"]), case["policy"]
    assert account_terms(*asked, windows_of(case), case["exclude_reasons"]) == case["expected"]
    for name, length in windows_of(case).items():
        found = reason_times(*asked, length, case["exclude_reasons"])
        assert [list(time) for time in found] == case["down_by_reason"][name]


@each_case
def test_engine(case: Case) -> None:
    asked = [store_of(case)], instant_us(case["as_of"]), case["policy"]
    [numbers] = measured_terms(*asked, windows_of(case), excluded=case["exclude_reasons"])
    assert numbers == case["expected"]
    for name, length in windows_of(case).items():
        [found] = engine_reason_times(*asked, length, case["exclude_reasons"])
        assert [list(time) for time in found] == case["down_by_reason"][name]


@each_case
def test_outages(case: Case) -> None:
    zone, terms, polls = store_of(case)
    asked = instant_us(case["as_of"]), case["policy"], 24 * 60 * MINUTE_US, case["exclude_reasons"]
    [found] = engine_outages([store_of(case)], *asked)
    assert found == outages(zone, terms, polls, *asked)


@each_case
def test_downtime_by_reason_adds_up(case: Case) -> None:
    for name, measures in case["expected"].items():
        if case["policy"] != "hold-scaled":
            assert sum(down_us for _, down_us, _ in case["down_by_reason"][name]) == measures["down_us"]


def test_an_outage_lists_its_reasons_as_they_appear() -> None:
    case = next(case for case in VECTORS["cases"] if case["name"] == "example-by-reason")
    [[outage]] = engine_outages([store_of(case)], instant_us(case["as_of"]), "classic", 24 * 60 * MINUTE_US)
    assert outage.reasons == ("paused_by_store", "technical")


def test_an_outage_after_excluded_time_begins_at_an_opening() -> None:
    case = next(case for case in VECTORS["cases"] if case["name"] == "example-classic")
    asked = instant_us(case["as_of"]), "classic", 24 * 60 * MINUTE_US
    [[outage]] = engine_outages([store_of(case)], *asked, case["exclude_reasons"])
    assert (outage.began_at_opening, outage.reasons) == (True, ("technical",))
    [[whole]] = engine_outages([store_of(case)], *asked)
    assert (outage.ended_us, outage.down_us) == (whole.ended_us, 30 * MINUTE_US)


def test_the_cases_cover_every_policy() -> None:
    assert len(VECTORS["cases"]) == 26
    assert {case["policy"] for case in VECTORS["cases"]} == set(POLICIES)
