"""The sizes of dots in a grid of hours: fixed for a store, and spread over the range of a fleet."""

import numpy as np
import pytest

from services.api.web.hour_grid import HourGrid

HOUR_US = 3_600_000_000


def sums(shares: list[float], *, hours: int = 100) -> np.ndarray:
    """The first hours of a week with these shares of downtime; the others were never open."""
    made = np.zeros((3, 168), dtype=np.int64)
    for place, share in enumerate(shares):
        made[1, place] = round(share * hours * HOUR_US)
        made[0, place] = hours * HOUR_US - made[1, place]
    return made


def test_a_store_has_fixed_steps_and_minutes() -> None:
    given = sums([0, 0.01, 0.05, 0.2, 1])
    given[2, 5] = HOUR_US
    grid = HourGrid.of_store(given)
    assert [grid.level(cell) for cell in grid.days[0][:7]] == [0, 1, 2, 3, 4, None, None]
    assert [grid.text(cell) for cell in grid.days[0][3:7]] == ["1200", "6000", "?", ""]
    assert [name for _, name in grid.legend] == ["none", "up to 1 %", "up to 5 %", "up to 20 %", "more"]


def test_the_steps_of_a_fleet_divide_its_range() -> None:
    grid = HourGrid.of_fleet(sums([0.041, 0.052, 0.063, 0.074, 0.085]))
    assert [name for _, name in grid.legend] == ["up to 5 %", "up to 6 %", "up to 7 %", "up to 8 %", "more"]
    assert [grid.level(cell) for cell in grid.days[0][:5]] == [0, 1, 2, 3, 4]
    assert grid.text(grid.days[0][0]) == "4.1"


@pytest.mark.parametrize("share", [0.0, 0.28, 1.0])
def test_hours_that_are_all_the_same_have_one_size(share: float) -> None:
    grid = HourGrid.of_fleet(sums([share] * 168))
    assert {grid.level(cell) for day in grid.days for cell in day} == {0}


def test_an_hour_of_few_stores_does_not_stretch_the_scale() -> None:
    given = sums([0.04, 0.08])
    given[:, 2] = (0, 2 * HOUR_US, 0)
    grid = HourGrid.of_fleet(given)
    assert max(grid.steps) < 0.1
    assert grid.level(grid.days[0][2]) == 4
    assert HourGrid.of_fleet(np.zeros((3, 168), dtype=np.int64)).level(grid.days[0][9]) is None
