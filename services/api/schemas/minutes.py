"""Microseconds as minutes with two decimals."""

from typing import Final

_HUNDREDTH_US: Final = 600_000
_HUNDRED: Final = 100


def minutes_down(time_us: int) -> float:
    """Return minutes, rounded down."""
    return time_us // _HUNDREDTH_US / _HUNDRED


def minutes_up(time_us: int) -> float:
    """Return minutes, rounded up."""
    return -(-time_us // _HUNDREDTH_US) / _HUNDRED
