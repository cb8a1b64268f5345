"""Printed times add up, stay within their bounds, and are what the oracle prints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.uptime.kernel import Measures
from shared.uptime.policy import HOUR_US, MINUTE_US
from shared.uptime.rounding import PER_UNIT, round_times
from tests.oracle.report import printed_times

times_us = st.one_of(
    st.sampled_from([0, 179_999, 180_000, 180_001, 240_000]), st.integers(0, 366 * 24 * HOUR_US)
)
SHOWN = ("up_us", "down_us", "unknown_us", "up_min_us", "up_max_us")


def measures(up: int, down: int, unknown: int, bound: int) -> Measures:
    """The measures of one store and window; `bound` is how much of the uptime and of the downtime is certain."""
    whole = up + down + unknown
    values = (0, whole, up, down, unknown, min(up, bound), whole - min(down, bound), 0)
    return Measures(*(np.array([[value]], dtype=np.int64) for value in values))


@pytest.mark.parametrize("unit_us", [MINUTE_US, HOUR_US])
@settings(deadline=None)
@given(up=times_us, down=times_us, unknown=times_us, bound=times_us)
def test_they_add_up_and_are_the_oracles(unit_us: int, up: int, down: int, unknown: int, bound: int) -> None:
    given_us = measures(up, down, unknown, bound)
    shown = {name: int(value[0]) for name, value in round_times(given_us, 0, unit_us).items()}
    whole = (given_us.open_us[0, 0] * PER_UNIT + unit_us // 2) // unit_us
    assert shown["up_us"] + shown["down_us"] + shown["unknown_us"] == whole
    assert shown["up_min_us"] <= shown["up_us"] <= shown["up_max_us"] <= whole
    exact = {name: int(getattr(given_us, name)[0, 0]) for name in ("open_us", *SHOWN)}
    assert all(abs(shown[name] * unit_us - exact[name] * PER_UNIT) < unit_us for name in SHOWN)
    expected = printed_times(exact, unit_us)
    assert {name: f"{n // PER_UNIT}.{n % PER_UNIT:04}" for name, n in shown.items()} == expected


def test_a_day_whose_halves_end_in_half_a_unit_is_not_longer_than_a_day() -> None:
    day_us, half_us = 24 * HOUR_US, 180_000  # a ten-thousandth of an hour is 360,000 us
    parts = round_times(
        measures(6 * HOUR_US + 12 * 360_000 + half_us, 18 * HOUR_US - 13 * 360_000 + half_us, 0, 0),
        0,
        HOUR_US,
    )
    assert (parts["up_us"][0] + parts["down_us"][0]) * HOUR_US == day_us * PER_UNIT
