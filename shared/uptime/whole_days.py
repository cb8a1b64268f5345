"""Add what is known of whole local days to what polls tell about the rest of each window.

Knows the numbers of days, not where they come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np

from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments, adjusted_schedule
from shared.uptime.batch import StoreHistory
from shared.uptime.bounds import bounds_us
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.kernel import Measures, measure
from shared.uptime.policy import DAY_US, Policy, history_us, later_us
from shared.uptime.window import Window

# What a shorter rest of the windows needs is about what a report of a week does.
NEAR_TAIL_US: Final = 10 * DAY_US
_SUMMED: Final = ("excluded_us", "open_us", "up_us", "down_us", "unknown_us")


@dataclass(frozen=True, slots=True)
class WholeDays:
    """The known days of each store and window, and their sums, in shape (stores, windows).

    They reach from the midnight `from_us` to the midnight `until_us`, inside the window. None are known if both are equal.
    """

    from_us: Int64s
    until_us: Int64s
    excluded_us: Int64s
    open_us: Int64s
    up_us: Int64s
    down_us: Int64s
    unknown_us: Int64s

    @property
    def has_any(self) -> Bools:
        """Whether any day of each store is known."""
        known: Bools = np.logical_or.reduce(self.from_us < self.until_us, axis=1)
        return known

    def keep(self, places: Sequence[int]) -> Self:
        """Return the days of some stores, given by their indexes."""
        return type(self)(*(getattr(self, field.name)[places] for field in fields(self)))

    def tails_us(self, starts_us: Int64s, ends_us: Int64s) -> Int64s:
        """Return for each store from where on the rest of its windows needs polls, its last window's end if none does.

        Without what lies before known days. `starts_us` and `ends_us` are those of the windows.
        """
        rest_us = np.where(self.from_us < self.until_us, self.until_us, starts_us)
        last_us = ends_us.max(axis=1, initial=0)
        tails_us: Int64s = np.where(rest_us < ends_us, rest_us, last_us[:, None]).min(axis=1)
        return tails_us


def measure_with_days(
    stores: StoreHistory,
    as_of_us: int,
    windows: Sequence[Window],
    policy: Policy,
    days: WholeDays,
    *,
    adjustments: Adjustments = NO_ADJUSTMENTS,
) -> Measures:
    """Measure the times that `measure_batch` does, from known days and from polls before and after them.

    The bounds of the uptime are the trivial ones, and no polls are counted.

    The polls are needed from `history_us(policy)` before each stretch without known days until `later_us(policy)` after
    it, or until `as_of_us`. Others change nothing. The policy must be one of `can_add_days`.
    """
    starts_us, ends_us = bounds_us(windows, as_of_us, stores.zones)
    is_known = days.from_us < days.until_us
    heads_end_us = np.where(is_known, days.from_us, starts_us)
    tails_us = np.where(is_known, days.until_us, starts_us)
    # An empty tail must not reach back to where it would be.
    last_us = ends_us.max(axis=1, initial=0)[:, None]
    is_empty = tails_us >= ends_us
    stretches_us = np.where(is_empty, last_us, tails_us), np.where(is_empty, last_us, ends_us)
    tails = _measure_between(stores, as_of_us, stretches_us, policy, adjustments)
    sums = {name: getattr(days, name) + getattr(tails, name) for name in _SUMMED}
    # Each window's head lies far from the others: measured alone, it costs a day and not the time between them.
    for number in np.flatnonzero((starts_us < heads_end_us).any(axis=0)).tolist():
        head_us = starts_us[:, [number]], heads_end_us[:, [number]]
        head = _measure_between(stores, as_of_us, head_us, policy, adjustments)
        for name, total_us in sums.items():
            total_us[:, number] += getattr(head, name)[:, 0]
    nothing = np.zeros_like(starts_us)
    return Measures(**sums, up_min_us=nothing, up_max_us=sums["open_us"], polls=nothing)


def _measure_between(
    stores: StoreHistory,
    as_of_us: int,
    stretches_us: tuple[Int64s, Int64s],
    policy: Policy,
    adjustments: Adjustments,
) -> Measures:
    starts_us, ends_us = stretches_us
    as_of_us = min(as_of_us, int(ends_us.max(initial=0)) + later_us(policy))
    first_us = int(starts_us.min(initial=as_of_us)) - history_us(policy)
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, first_us, as_of_us)
    return measure(schedule, stores.polls, as_of_us, stretches_us, policy, detail=False)
