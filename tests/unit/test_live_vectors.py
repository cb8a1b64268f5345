"""Every worked case of live state, to the microsecond, in the engine and in the oracle."""

import json
from typing import Any

import pytest

from tests.oracle.accounting import SECOND_US
from tests.oracle.live import Live, live
from tests.property.test_uptime_live import rows_of, seen_at
from tests.unit.test_uptime_calendar_vectors import optional_us, store_of
from tests.unit.test_uptime_vectors import PUBLISHED, instant_us

VECTORS = json.loads((PUBLISHED / "live.json").read_text())
each_case = pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
Case = dict[str, Any]


def expected(case: Case) -> Live:
    # The opening is where the span began, unless closures lie between.
    given = {"hours_from": case["expected"]["open_from"], **case["expected"]}
    times = ("since_earliest", "since_latest", "hours_from", "open_from", "open_until", "opens_at")
    lengths = ("up_s", "down_s", "down_open_s", "usual_gap_s")
    last_us = optional_us(given["last_poll"])
    numbers: dict[str, Any] = {f"{name}_us": optional_us(given[name]) for name in times}
    for name in lengths:
        seconds = given[name]
        numbers[f"{name.removesuffix('_s')}_us"] = None if seconds is None else round(seconds * SECOND_US)
    last_poll = next((poll for poll in store_of(case).polls if poll.at_us == last_us), None)
    return Live(state=given["state"], last_poll=last_poll, inactive_polls=given["inactive_polls"], **numbers)


@each_case
def test_oracle(case: Case) -> None:
    silent_us = case["silent_after_s"] * SECOND_US
    assert live(*store_of(case), instant_us(case["now"]), silent_us) == expected(case)


@each_case
def test_engine(case: Case) -> None:
    now_us = instant_us(case["now"])
    rows = rows_of([store_of(case)], now_us, case["silent_after_s"] * SECOND_US)
    assert seen_at(rows, 0, now_us) == expected(case)
