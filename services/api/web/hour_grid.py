"""The hours of a week as a grid of seven rows with 24 cells, with a dot for the share of downtime. Must not know HTML."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shared.pictures.week import DAYS

_HOURS: Final = 24
_MINUTE_US: Final = 60_000_000
# A dot is one size larger above each of these shares of downtime.
_STORE_STEPS: Final = (0.0, 0.01, 0.05, 0.2)
# Hours in which hardly any store is open do not stretch the scale: those with less than this share of the fullest hour.
_THIN: Final = 0.05
_LEAST_STEP: Final = 0.001


@dataclass(frozen=True)
class HourOfWeek:
    """All hours at one time of the week. Hour 0 begins at midnight."""

    hour: int
    up_us: int
    down_us: int
    unknown_us: int

    @property
    def down_share(self) -> float | None:
        """How much of the known time was downtime; None if nothing is known."""
        known_us = self.up_us + self.down_us
        return self.down_us / known_us if known_us else None


@dataclass(frozen=True)
class HourGrid:
    """The hours of each weekday, Monday first. `steps`: a dot is one size larger above each of these shares of downtime."""

    days: Sequence[Sequence[HourOfWeek]]
    steps: Sequence[float]
    unit: str

    @classmethod
    def of_store(cls, sums_us: NDArray[np.int64]) -> Self:
        """Return the grid of one store. `sums_us`: up, down and unknown microseconds, in shape (3, 168)."""
        return cls(_cells(sums_us), _STORE_STEPS, "minutes")

    @classmethod
    def of_fleet(cls, sums_us: NDArray[np.int64]) -> Self:
        """Return the grid of many stores. Some of them are always down, so steps divide the range between their hours."""
        days = _cells(sums_us)
        known = sums_us[0] + sums_us[1]
        thick = known > _THIN * known.max(initial=0)
        return cls(days, _even_steps(sums_us[1][thick] / known[thick]), "percent")

    def level(self, cell: HourOfWeek) -> int | None:
        """Return the size of a cell's dot, from 0 (no dot) to 4; None if nothing is known."""
        share = cell.down_share
        return None if share is None else sum(share > step for step in self.steps)

    @property
    def legend(self) -> Sequence[tuple[int, str]]:
        """Each size of a dot with what it says."""
        texts = ["none" if step == 0 else f"up to {100 * step:.3g} %" for step in self.steps]
        return list(enumerate([*texts, "more"]))

    def text(self, cell: HourOfWeek) -> str:
        """Return what the table says of a cell."""
        share = cell.down_share
        if share is None:
            return "?" if cell.unknown_us else ""
        return str(cell.down_us // _MINUTE_US) if self.unit == "minutes" else f"{100 * share:.1f}"


def _cells(sums_us: NDArray[np.int64]) -> Sequence[Sequence[HourOfWeek]]:
    by_day = sums_us.reshape(3, DAYS, _HOURS)
    return [
        [HourOfWeek(hour, *map(int, by_day[:, day, hour])) for hour in range(_HOURS)] for day in range(DAYS)
    ]


def _even_steps(shares: NDArray[np.float64]) -> Sequence[float]:
    """Return four steps at equal, round distances, so that five sizes of dots cover the shares."""
    low, high = float(shares.min(initial=1.0)), float(shares.max(initial=0.0))
    width = max((high - low) / (len(_STORE_STEPS) + 1), _LEAST_STEP)
    power = 10 ** math.floor(math.log10(width))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= width * (1 - 1e-9))
    first = math.floor(min(low, high) / step) + 1
    return [round((first + place) * step, 6) for place in range(len(_STORE_STEPS))]
