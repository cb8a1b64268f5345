"""Every worked case of calendars, closures and outages, to the microsecond, in the engine and in the oracle."""

import json
from datetime import date
from typing import Any, cast

import pytest

from tests.oracle.accounting import SECOND_US, HoursRow, Poll
from tests.oracle.adjusted import TermsStore, engine_outages, measured_terms
from tests.oracle.calendars import Closure, Terms, Version, account_terms
from tests.oracle.outages import Outage, outages
from tests.unit.test_uptime_vectors import PUBLISHED, instant_us, second

VECTORS = json.loads((PUBLISHED / "calendars.json").read_text())
INSTANTS = (
    "started_at", "ended_at", "last_up_poll_at", "first_down_poll_at", "last_down_poll_at", "first_up_poll_at"
)  # fmt: skip
each_case = pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
Case = dict[str, Any]


def optional_us(text: str | None) -> int | None:
    return None if text is None else instant_us(text)


def store_of(case: Case) -> TermsStore:
    return TermsStore(
        case["timezone"], terms_of(case), [Poll(instant_us(at), s == "active") for at, s in case["polls"]]
    )


def terms_of(case: Case) -> Terms:
    return Terms(
        [
            Version(
                None if version["effective_from"] is None else date.fromisoformat(version["effective_from"]),
                [HoursRow(day, second(opens), second(closes)) for day, opens, closes in version["rows"]],
            )
            for version in case["hours"]
        ],
        {
            date.fromisoformat(day): [(second(opens), second(closes)) for opens, closes in intervals]
            for day, intervals in case["special_hours"].items()
        },
        optional_us(case["opened_at"]),
        optional_us(case["closed_at"]),
        [
            Closure(instant_us(closure["starts_at"]), optional_us(closure["ends_at"]), closure["treatment"])
            for closure in case["closures"]
        ],
    )


def windows_of(case: Case) -> dict[str, int | str]:
    return {name: length_s * SECOND_US for name, length_s in case["windows_s"].items()}


def expected_outages(case: Case) -> list[Outage]:
    return [outage_of(outage) for outage in case["outages"]]


def outage_of(given: Case) -> Outage:
    instants = {name.removesuffix("_at") + "_us": optional_us(given[name]) for name in INSTANTS}
    others = {name: value for name, value in given.items() if name not in INSTANTS}
    return Outage(**cast("dict[str, Any]", instants), **others)


@each_case
def test_oracle(case: Case) -> None:
    numbers = account_terms(*store_of(case), instant_us(case["as_of"]), case["policy"], windows_of(case))
    assert numbers == case["expected"]


@each_case
def test_engine(case: Case) -> None:
    [numbers] = measured_terms([store_of(case)], instant_us(case["as_of"]), case["policy"], windows_of(case))
    assert numbers == case["expected"]


@each_case
def test_outages_of_the_oracle(case: Case) -> None:
    as_of_us, longest = instant_us(case["as_of"]), max(case["windows_s"].values()) * SECOND_US
    assert outages(*store_of(case), as_of_us, case["policy"], longest) == expected_outages(case)


@each_case
def test_outages_of_the_engine(case: Case) -> None:
    as_of_us, longest = instant_us(case["as_of"]), max(case["windows_s"].values()) * SECOND_US
    [found] = engine_outages([store_of(case)], as_of_us, case["policy"], longest)
    assert found == expected_outages(case)


def test_a_batch_of_all_cases_of_one_policy_and_instant() -> None:
    same = [
        case
        for case in VECTORS["cases"]
        if (case["policy"], case["as_of"], len(case["windows_s"])) == ("classic", "2024-10-14T18:00:00Z", 3)
    ]
    stores, as_of_us, windows = (
        [store_of(case) for case in same],
        instant_us(same[0]["as_of"]),
        windows_of(same[0]),
    )
    assert measured_terms(stores, as_of_us, "classic", windows) == [case["expected"] for case in same]
    assert engine_outages(stores, as_of_us, "classic", 604_800 * SECOND_US) == list(
        map(expected_outages, same)
    )


def test_the_cases_are_the_published_ones() -> None:
    assert len(VECTORS["cases"]) == 41
    assert {closure["treatment"] for case in VECTORS["cases"] for closure in case["closures"]} == {
        "exclude", "as_up", "ignore"
    }  # fmt: skip
