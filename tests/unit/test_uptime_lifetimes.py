"""Which stores exist in any of their windows."""

import numpy as np

from shared.uptime.closures import NEVER_US, NO_LIFETIMES, Lifetimes

WINDOWS = np.array([[10, 40], [10, 40], [10, 40]]), np.array([[20, 50], [20, 50], [20, 50]])


def meets(opened_us: int, closed_us: int) -> bool:
    lifetimes = Lifetimes(np.array([1]), np.array([opened_us]), np.array([closed_us]))
    first, second, third = lifetimes.meets(WINDOWS).tolist()
    assert first
    assert third
    return bool(second)


def test_a_store_without_a_lifetime_always_exists() -> None:
    assert NO_LIFETIMES.meets(WINDOWS).all()


def test_the_opening_is_inside_the_lifetime_and_the_closing_is_not() -> None:
    assert not meets(-NEVER_US, 10)
    assert meets(-NEVER_US, 11)
    assert meets(49, NEVER_US)
    assert not meets(50, NEVER_US)


def test_one_window_is_enough_and_time_between_windows_is_none() -> None:
    assert meets(45, 100)
    assert not meets(20, 40)
