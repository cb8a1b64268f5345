"""The windows a report measures: stretches of time that end at the report's as_of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.uptime.intervals import Int64s
from shared.uptime.policy import DAY_US, HOUR_US


@dataclass(frozen=True, slots=True)
class Window:
    """`[as_of - length_us, as_of)`; the name is the suffix of its report columns."""

    name: str
    length_us: int


DEFAULT_WINDOWS: Final = (
    Window("last_hour", HOUR_US),
    Window("last_day", DAY_US),
    Window("last_week", 7 * DAY_US),
)


def bounds_us(windows: Sequence[Window], as_of_us: int, stores: int) -> tuple[Int64s, Int64s]:
    """Starts and ends of the windows, each of shape (stores, windows)."""
    lengths_us = np.array([window.length_us for window in windows], dtype=np.int64)
    ends_us = np.full((stores, len(windows)), as_of_us, dtype=np.int64)
    return ends_us - lengths_us, ends_us
