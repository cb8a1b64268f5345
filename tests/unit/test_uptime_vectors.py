"""Every worked case of the accounting rule, to the microsecond, in the engine and in the oracle that judges it."""

import json
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest

from shared.uptime.policy import POLICIES
from shared.uptime.window import DEFAULT_WINDOWS
from tests.oracle.accounting import EPOCH, SECOND_US, HoursRow, Poll, account
from tests.oracle.engine import Store, measured

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "vectors"
VECTORS = json.loads((PUBLISHED / "accounting.json").read_text())
VERSION_1 = json.loads((PUBLISHED / "accounting-version-1.json").read_text())
WINDOWS: dict[str, int] = VECTORS["windows"]
each_case = pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])


def instant_us(text: str) -> int:
    delta = datetime.fromisoformat(text) - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND_US + delta.microseconds


def second(text: str) -> int:
    local = time.fromisoformat(text)
    return local.hour * 3600 + local.minute * 60 + local.second


def store_of(case: dict[str, Any]) -> Store:
    return Store(
        case["timezone"],
        [HoursRow(day, second(opens), second(closes)) for day, opens, closes in case["hours"]],
        [Poll(instant_us(at), status == "active") for at, status in case["polls"]],
    )


def expected(case: dict[str, Any]) -> dict[str, dict[str, int]]:
    """What these cases leave out: all scheduled time is open."""
    return {
        name: {**numbers, "scheduled_us": numbers["open_us"], "excluded_us": 0}
        for name, numbers in case["expected"].items()
    }


@each_case
def test_oracle(case: dict[str, Any]) -> None:
    assert account(*store_of(case), instant_us(case["as_of"]), case["policy"], WINDOWS) == expected(case)


@each_case
def test_engine(case: dict[str, Any]) -> None:
    [numbers] = measured([store_of(case)], instant_us(case["as_of"]), case["policy"], WINDOWS)
    assert numbers == expected(case)


def test_the_cases_cover_every_policy_and_the_default_windows() -> None:
    assert len(VECTORS["cases"]) == 58
    assert {case["policy"] for case in VECTORS["cases"]} == set(POLICIES)
    assert {window.name: window.reach_us for window in DEFAULT_WINDOWS} == WINDOWS


def test_version_2_keeps_the_numbers_of_every_case_of_version_1() -> None:
    cases = {case["name"]: case for case in VECTORS["cases"]}
    assert len(VERSION_1["cases"]) == 49
    assert all(cases[case["name"]] == case for case in VERSION_1["cases"])
