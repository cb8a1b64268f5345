"""The rule of service levels: which time counts, how much of it was down, and how that compares with a target.

Knows the times of days, not where they come from. Times are integer microseconds, targets parts per million.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Final, TypeVar

import numpy as np

from shared.uptime.intervals import Int64s

PPM: Final = 1_000_000
# Exact integers of any size, or arrays of them.
Exact = TypeVar("Exact", int, np.ndarray[Any, np.dtype[np.object_]])


class UnknownTime(StrEnum):
    """What unknown time counts as: open time that no poll covers."""

    LEFT_OUT = "left_out"
    UP = "up"
    DOWN = "down"


class ExcludedTime(StrEnum):
    """What the time of closures with the treatment `exclude` counts as, up to the caps."""

    LEFT_OUT = "left_out"
    UP = "up"


class LevelState(IntEnum):
    """Where a store or a whole level stands in its period."""

    OK = 0
    AT_RISK = 1
    MISSED = 2
    NO_DATA = 3


@dataclass(frozen=True, slots=True)
class CountingRule:
    """What counts as up and down. `caps_us`: the most excluded time in a period for each reason that has a cap."""

    unknown: UnknownTime = UnknownTime.LEFT_OUT
    excluded: ExcludedTime = ExcludedTime.LEFT_OUT
    caps_us: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class DayTimes:
    """The times of the days that have passed, in shape (stores, days).

    `of_reason_us` has the part of the excluded time that each reason with a cap has, in shape (reasons, stores, days).
    """

    up_us: Int64s
    down_us: Int64s
    unknown_us: Int64s
    excluded_us: Int64s
    of_reason_us: Int64s


@dataclass(frozen=True, slots=True)
class Tally:
    """What counts for each store: in the days that have passed, in the last of these with anything that counts, and ahead."""

    counted_us: Int64s
    down_us: Int64s
    last_counted_us: Int64s
    last_down_us: Int64s
    ahead_us: Int64s

    def sum(self) -> "Tally":
        """Return the tally of all stores together, as one element."""
        return Tally(*(getattr(self, name).sum(keepdims=True) for name in self.__slots__))


def count_days(days: DayTimes, ahead_us: Int64s, rule: CountingRule) -> Tally:
    """Return the tally of each store. `ahead_us` is what will count in the days of the period that are still ahead.

    1. Excluded time of a reason beyond its cap is down, from the instant in the period at which the cap is used up.
    2. Other excluded time is left out or up, and unknown time is left out, up or down, as the rule says.
    3. What a day adds is the difference of the sums with and without it.
    """
    up_us, down_us, unknown_us, excluded_us = (
        np.cumsum(each, axis=1) for each in (days.up_us, days.down_us, days.unknown_us, days.excluded_us)
    )
    over_us = np.zeros_like(excluded_us)
    for of_reason_us, cap_us in zip(np.cumsum(days.of_reason_us, axis=2), rule.caps_us, strict=True):
        over_us += np.maximum(of_reason_us - cap_us, 0)
    down_us = down_us + over_us
    if rule.excluded is ExcludedTime.UP:
        up_us = up_us + excluded_us - over_us
    match rule.unknown:
        case UnknownTime.UP:
            up_us = up_us + unknown_us
        case UnknownTime.DOWN:
            down_us = down_us + unknown_us
        case UnknownTime.LEFT_OUT:
            pass
    return _tally(up_us + down_us, down_us, ahead_us)


def _tally(counted_us: Int64s, down_us: Int64s, ahead_us: Int64s) -> Tally:
    """Return the last of the running sums, and what the last day that counts has added to them."""
    stores, days = counted_us.shape
    if not days:
        nothing = np.zeros(stores, dtype=np.int64)
        return Tally(nothing, nothing, nothing, nothing, ahead_us)
    added_us, added_down_us = (np.diff(each, axis=1, prepend=0) for each in (counted_us, down_us))
    last = days - 1 - np.argmax(added_us[:, ::-1] > 0, axis=1)
    row = np.arange(stores)
    return Tally(counted_us[:, -1], down_us[:, -1], added_us[row, last], added_down_us[row, last], ahead_us)


def budget_us(whole_us: Exact, target_ppm: int) -> Exact:
    """Return how much of the counted time of a whole period may be down, rounded down."""
    budget: Exact = whole_us * (PPM - target_ppm) // PPM
    return budget


def find_states(tally: Tally, target_ppm: int) -> Int64s:
    """Return the `LevelState` of each store.

    A level is missed if the budget is overdrawn, even if the store is up until the end of the period. It is at risk if the
    budget will be overdrawn by the end at the rate of the last day.
    """
    counted, down, last_counted, last_down, ahead = (
        getattr(tally, name).astype(object) for name in Tally.__slots__
    )
    budget = budget_us(counted + ahead, target_ppm)
    # A store without a day that counts has no rate.
    projected = down + ahead * last_down // np.maximum(last_counted, 1)
    chosen = [tally.counted_us == 0, (down > budget).astype(bool), (projected > budget).astype(bool)]
    states: Int64s = np.select(
        chosen, [LevelState.NO_DATA, LevelState.MISSED, LevelState.AT_RISK], LevelState.OK
    ).astype(np.int64)
    return states


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """The tally of one store or of all, and what follows from it. None: nothing counts yet, or a rate has no meaning."""

    target_ppm: int
    counted_us: int
    down_us: int
    last_counted_us: int
    last_down_us: int
    ahead_us: int
    budget_us: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget_us", budget_us(self.counted_us + self.ahead_us, self.target_ppm))

    @property
    def achieved_ppm(self) -> int | None:
        """The part of the counted time that was up, rounded down."""
        if not self.counted_us:
            return None
        return (self.counted_us - self.down_us) * PPM // self.counted_us

    @property
    def burn_rate_percent(self) -> int | None:
        """How fast the last day used the budget, rounded down: at 100 it lasts for exactly one period."""
        if not self.last_counted_us or self.target_ppm == PPM:
            return None
        return self.last_down_us * PPM * 100 // (self.last_counted_us * (PPM - self.target_ppm))

    @property
    def projected_down_us(self) -> int | None:
        """The down time of the whole period if all time ahead is like the last day, rounded down."""
        if not self.counted_us:
            return None
        return self.down_us + self.ahead_us * self.last_down_us // max(self.last_counted_us, 1)

    @property
    def projected_ppm(self) -> int | None:
        """What will be achieved at the end of the period if all time ahead is like the last day, rounded down."""
        down_us = self.projected_down_us
        if down_us is None:
            return None
        whole_us = self.counted_us + self.ahead_us
        return (whole_us - down_us) * PPM // whole_us
