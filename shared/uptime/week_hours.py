"""Sum the time of stores by the hour of the local week in which it lies.

Works on arrays only: an interval adds to the sums at its end, and takes away at its beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments, adjusted_schedule
from shared.uptime.batch import StoreHistory
from shared.uptime.bounds import bounds_us
from shared.uptime.intervals import Int64s
from shared.uptime.policy import DAY_US, HOUR_US, NoData, Policy, history_us, later_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.window import Window
from shared.uptime.zones import ZoneTable, number_zones, zone_table

WEEK_HOURS: Final = 168
_SECOND_US: Final = 1_000_000
# 1970-01-01 was a Thursday.
_EPOCH_US: Final = 3 * DAY_US


@dataclass(frozen=True, slots=True)
class WeekHours:
    """Sums over all stores, in shape (windows, 168). The first hour is that of Monday, 00:00."""

    up_us: Int64s
    down_us: Int64s
    unknown_us: Int64s
    excluded_us: Int64s


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Time `[begin_us, end_us)` of stores, in any order."""

    store: Int64s
    begin_us: Int64s
    end_us: Int64s

    def within(self, starts_us: Int64s, ends_us: Int64s) -> Self:
        """Return what lies in a window of each store."""
        begin_us = np.maximum(self.begin_us, starts_us[self.store])
        end_us = np.minimum(self.end_us, ends_us[self.store])
        kept = np.flatnonzero(begin_us < end_us)
        return type(self)(self.store[kept], begin_us[kept], end_us[kept])


def sum_week_hours(
    stores: StoreHistory,
    as_of_us: int,
    windows: Sequence[Window],
    policy: Policy,
    *,
    adjustments: Adjustments = NO_ADJUSTMENTS,
) -> WeekHours:
    """Sum the times that `measure_batch` measures, by hour of the local week. With a policy that scales, before it does so.

    The polls must be those that `measure_batch` needs. Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    starts_us, ends_us = bounds_us(windows, as_of_us, stores.zones)
    as_of_us = min(as_of_us, int(ends_us.max(initial=0)) + later_us(policy))
    first_us = int(starts_us.min(initial=as_of_us)) - history_us(policy)
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, first_us, as_of_us)
    history = PollHistory(schedule, stores.polls, first_us, as_of_us, len(starts_us), policy)
    state = history.states(joined=True)
    clocks = _Clocks.of(stores.zones, first_us, as_of_us)
    windows_us = list(zip(starts_us.T, np.minimum(ends_us, as_of_us).T, strict=True))

    def summed(store: Int64s, begin_us: Int64s, end_us: Int64s) -> Int64s:
        stretches = clocks.split(_Stretches(store, begin_us, end_us))
        sums = [clocks.sum_hours(stretches.within(*bounds_us)) for bounds_us in windows_us]
        return np.array(sums, dtype=np.int64).reshape(-1, WEEK_HOURS)

    up_us, down_us = (
        summed(state.store[chosen], state.begin_us[chosen], state.end_us[chosen])
        for chosen in (state.active, ~state.active)
    )
    measured_us, as_up_us, closed_us, left_out_us = (
        summed(spans.store, spans.open_us, spans.close_us)
        for spans in (history.measured, schedule.as_up, schedule.excluded, history.left_out)
    )
    if policy.no_data is NoData.DOWN:
        down_us = measured_us - up_us
    return WeekHours(up_us + as_up_us, down_us, measured_us - up_us - down_us, closed_us + left_out_us)


@dataclass(frozen=True, slots=True)
class _Clocks:
    """The local time of stores: the zone of each, and the instants at which the clocks of each zone change, in order."""

    zone: Int64s
    table: ZoneTable
    changes_us: Int64s

    @classmethod
    def of(cls, zones: Sequence[str | None], first_us: int, last_us: int) -> Self:
        """Return the local time of stores with these zones between two instants."""
        names, zone = number_zones(zones)
        # A local date is at most one day from that of UTC. Spans reach a few days beyond the instants.
        table = zone_table(names, first_us // DAY_US - 10, last_us // DAY_US + 10)
        return cls(zone, table, table.changes_s(len(names)) * _SECOND_US)

    def split(self, stretches: _Stretches) -> _Stretches:
        """Return the stretches, split where clocks change."""
        store, begin_us, end_us = stretches.store, stretches.begin_us, stretches.end_us
        for changes_us in self.changes_us.T:
            at_us = changes_us[self.zone[store]]
            inside = np.flatnonzero((begin_us < at_us) & (at_us < end_us))
            store = np.concatenate((store, store[inside]))
            begin_us = np.concatenate((begin_us, at_us[inside]))
            later_us = end_us[inside]
            end_us = end_us.copy()
            end_us[inside] = at_us[inside]
            end_us = np.concatenate((end_us, later_us))
        return _Stretches(store, begin_us, end_us)

    def sum_hours(self, stretches: _Stretches) -> Int64s:
        """Return the time of all stretches in each hour of the week. No clock changes inside a stretch."""
        begin_us = stretches.begin_us
        second = begin_us // _SECOND_US
        ahead_us = (self.table.local_s(self.zone[stretches.store], second) - second) * _SECOND_US
        return _sum_until(stretches.end_us + ahead_us) - _sum_until(begin_us + ahead_us)


def _sum_until(local_us: Int64s) -> Int64s:
    """Return the time in each hour of the week from the first Monday before 1970 up to each instant, added up."""
    hour, rest_us = np.divmod(local_us + _EPOCH_US, HOUR_US)
    week, place = np.divmod(hour, WEEK_HOURS)
    passed = np.bincount(place, minlength=WEEK_HOURS)
    # Hours later in the week than this one have passed in fewer weeks.
    whole = week.sum() + passed[::-1].cumsum()[::-1] - passed
    sums_us: Int64s = whole * HOUR_US
    np.add.at(sums_us, place, rest_us)
    return sums_us
