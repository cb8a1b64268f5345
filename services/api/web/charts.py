"""Charts over equal steps, such as days, as shares of their width and height. Must not know HTML."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Self

Value = float | None
_FLOORS: Final = (0.99, 0.98, 0.95, 0.9, 0.8, 0.5, 0.0)
_PARTS: Final = 4
_BAR: Final = 0.64  # of a step's width


@dataclass(frozen=True)
class Scale:
    """What lies at the lower and the upper edge, and the lines between with their texts."""

    low: float
    high: float
    lines: Sequence[tuple[float, str]]

    @classmethod
    def of_shares(cls, values: Sequence[Value]) -> Self:
        """Return a scale that ends at 100 % and begins at a round number below all values."""
        lowest = min((value for value in values if value is not None), default=0.0)
        low = next(floor for floor in _FLOORS if floor <= lowest)
        steps = [low + (1 - low) * part / _PARTS for part in range(_PARTS + 1)]
        return cls(low, 1.0, [((step - low) / (1 - low), f"{100 * step:.4g} %") for step in steps])

    @classmethod
    def of_counts(cls, values: Sequence[Value]) -> Self:
        """Return a scale from 0 to a round number above all values."""
        highest = max((value for value in values if value is not None), default=0.0)
        step = _round_step(max(highest, 1) / _PARTS)
        parts = max(1, math.ceil(highest / step))
        return cls(0, parts * step, [(part / parts, f"{part * step:,}") for part in range(parts + 1)])

    def share(self, value: float) -> float:
        """Return where a value lies: 0 is the lower edge."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class ChartBar:
    """A bar from the lower edge. `place` is the number of its step."""

    place: int
    x: float
    width: float
    height: float


@dataclass(frozen=True)
class Chart:
    """What to draw: points by unbroken runs, those of the period before, and bars."""

    scale: Scale
    runs: Sequence[Sequence[tuple[float, float]]]
    earlier: Sequence[Sequence[tuple[float, float]]]
    bars: Sequence[ChartBar]


def draw_line(values: Sequence[Value], scale: Scale) -> Sequence[Sequence[tuple[float, float]]]:
    """Return the points of values from left to right, in runs without a gap."""
    count = len(values)
    points = [
        None if value is None else ((place + 0.5) / count, scale.share(value))
        for place, value in enumerate(values)
    ]
    runs = groupby(points, key=lambda point: point is None)
    return [[point for point in run if point is not None] for is_gap, run in runs if not is_gap]


def draw_bars(values: Sequence[Value], scale: Scale) -> Sequence[ChartBar]:
    """Return a bar for each value."""
    step = 1 / max(len(values), 1)
    return [
        ChartBar(place, (place + (1 - _BAR) / 2) * step, _BAR * step, scale.share(value))
        for place, value in enumerate(values)
        if value is not None
    ]


def _round_step(least: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 50, … that is at least `least`."""
    power: int = 10 ** math.floor(math.log10(max(least, 1)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
