"""Every worked case of service levels, in the rule and in the oracle that judges it."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.service_levels.terms import PROFILES, LevelTerms
from shared.uptime.policy import HOUR_US, MINUTE_US
from shared.uptime.service_level import PPM, LevelFigures, LevelState, Tally, find_states
from tests.oracle.service_levels import Day, Level, evaluate
from tests.property.test_service_levels import tally_of

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "vectors" / "service-levels.json"
CASES = json.loads(PUBLISHED.read_text())["cases"]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])


def days_of(case: dict[str, Any]) -> list[Day]:
    return [
        Day(
            up * MINUTE_US,
            down * MINUTE_US,
            unknown * MINUTE_US,
            sum(excluded.values()) * MINUTE_US,
            {reason: excluded.get(reason, 0) * MINUTE_US for reason in case["caps"]},
        )
        for number, up, down, unknown, excluded in case["days"]
        for _ in range(number)
    ]


def level_of(case: dict[str, Any]) -> Level:
    profile = PROFILES[case["profile"]]
    caps = {reason: hours * HOUR_US for reason, hours in case["caps"].items()}
    return Level(Fraction(str(case["target"])), profile.unknown, profile.excluded, caps)


def shown(share: Fraction | None, places: int) -> float | None:
    return None if share is None else int(share * 10**places) / 10**places


@each_case
def test_oracle(case: dict[str, Any]) -> None:
    answer = evaluate(level_of(case), days_of(case), case["ahead"] * MINUTE_US)
    found = [each / MINUTE_US for each in answer[:4]]
    budget = float(answer.budget / MINUTE_US)
    expected = case["expected"]
    assert found == [expected[name] for name in ("counted", "down", "last_counted", "last_down")]
    assert (budget, round(budget - answer.down / MINUTE_US, 6)) == (expected["budget"], expected["left"])
    assert shown(answer.achieved, 6) == expected["achieved"]
    assert shown(answer.projected, 6) == expected["projected"]
    assert shown(answer.burn_rate, 2) == expected["burn_rate"]
    assert answer.state == expected["state"]


@each_case
def test_rule(case: dict[str, Any]) -> None:
    tally = tally_of(level_of(case), [days_of(case)], [case["ahead"] * MINUTE_US])
    numbers = [int(getattr(tally, name)[0]) for name in Tally.__slots__]
    target_ppm = round(case["target"] * PPM)
    figures = LevelFigures(target_ppm, *numbers)
    expected = case["expected"]
    assert figures.budget_us == round(expected["budget"] * MINUTE_US)
    assert figures.budget_us - figures.down_us == round(expected["left"] * MINUTE_US)
    for found, name, unit in (
        (figures.achieved_ppm, "achieved", PPM),
        (figures.projected_ppm, "projected", PPM),
        (figures.burn_rate_percent, "burn_rate", 100),
    ):
        assert (None if found is None else found / unit) == expected[name]
    assert LevelState(int(find_states(tally, target_ppm)[0])).name.lower() == expected["state"]


def test_the_cases_cover_every_profile_and_state() -> None:
    assert {case["profile"] for case in CASES} == set(PROFILES)
    assert {case["expected"]["state"] for case in CASES} == {state.name.lower() for state in LevelState}


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [
        ({"target": 0}, "above 0"),
        ({"target": 1.01}, "up to 1"),
        ({"target": 0.9, "policy": "hold-scaled"}, "add up"),
        ({"target": 0.9, "caps": {"x": -1}}, "hours"),
        ({"target": 0.9, "caps": {"": 1}}, "reason"),
        ({"target": 0.9, "caps": {str(n): 1 for n in range(21)}}, "at most 20"),
    ],
)
def test_terms_that_mean_nothing_are_refused(terms: dict[str, Any], wanted: str) -> None:
    with pytest.raises(InvalidRequest, match=wanted):
        LevelTerms(**terms)
