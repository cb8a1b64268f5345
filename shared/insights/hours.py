"""Up, down and unknown minutes of stores in each local hour: what all insights are computed from.

An hour counts by the polls taken in it while the store was open. An hour without such a poll is unknown: nothing is
inferred between hours, so no insight is scored on an inference. Hours with events count by time, because an event says how
long the state before it lasted. Must not know how hours are stored.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.history import DAY_HOURS, Minutes
from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments, adjusted_schedule
from shared.uptime.batch import StoreHistory
from shared.uptime.calendar import Spans
from shared.uptime.intervals import Bools, Int64s, expand_ranges
from shared.uptime.policy import DAY_US, DEFAULT_POLICY, HOUR_US, POLICIES, reach_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import are_sure
from shared.uptime.zones import DEFAULT_TIMEZONE, ZoneTable, zone_table

_SECOND_US: Final = 1_000_000
_HOUR_S: Final = 3_600
# No zone is further from UTC.
ZONES_US: Final = 15 * HOUR_US
# Beside an event, the states depend on polls up to this far away.
EVENTS_US: Final = reach_us(POLICIES[DEFAULT_POLICY])
Doubles = NDArray[np.float64]


def count_minutes(
    stores: StoreHistory, first_day: int, days: int, *, adjustments: Adjustments = NO_ADJUSTMENTS
) -> Minutes:
    """Return the minutes of consecutive local dates, in shape (stores, 3, days * 24): up, down, unknown.

    `first_day` counts from 1970. The polls must reach `ZONES_US` beyond the dates on both sides, and with notes `EVENTS_US`
    more. Where clocks change, the
    skipped hour has minutes without polls, and the repeated hour counts once.
    Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    number, reach = len(stores.zones), ZONES_US + (EVENTS_US if len(adjustments.notes) else 0)
    first_us, last_us = first_day * DAY_US - reach, (first_day + days) * DAY_US + reach
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, first_us, last_us, keep=False)
    clocks = _HourClocks(stores.zones, first_day, days)
    opened_s = clocks.sum_spans(schedule.measured, number)
    history = PollHistory(schedule, stores.polls, first_us, last_us, number, POLICIES[DEFAULT_POLICY])
    polls, _ = history.counted
    cell = clocks.cells(polls.store, polls.at_us)
    inside = cell >= 0
    taken = np.bincount(cell[inside], minlength=number * clocks.hours)
    inactive = np.bincount(cell[inside], ~polls.active[inside], minlength=number * clocks.hours)
    # A store that is open for only seconds of an hour counts for a minute.
    opened = np.maximum(np.rint(opened_s / 60), (taken > 0) | (opened_s > 0))
    known = np.where(taken > 0, opened, 0)
    share = inactive / np.maximum(taken, 1)
    if polls.event is not None:
        timed, known_s, down_s = _sum_times(history, clocks, taken)
        known = np.where(timed, np.minimum(opened, np.maximum(np.rint(known_s / 60), 1)), known)
        share = np.where(timed, down_s / np.maximum(known_s, 1), share)
    down = np.rint(known * share)
    minutes = np.empty((number, 3, clocks.hours), dtype=np.uint8)
    for place, values in enumerate((known - down, down, opened - known)):
        minutes[:, place] = values.reshape(number, clocks.hours)
    return minutes


def _sum_times(history: PollHistory, clocks: "_HourClocks", taken: Int64s) -> tuple[Bools, Doubles, Doubles]:
    """Return which hours of stores count by time, and their known and down seconds. `taken`: their polls."""
    polls, span = history.counted
    assert polls.event is not None  # noqa: S101 - the caller has looked
    timed = np.zeros(len(taken), dtype=np.bool_)
    cell = clocks.cells(polls.store, polls.at_us)
    timed[cell[polls.event & (cell >= 0)]] = True
    # Hours without polls between a poll and a following event: the event says that nothing changed in them.
    before = np.flatnonzero(polls.event[1:] & are_sure(polls, span, history.policy))
    store = polls.store[before]
    begin, end = clocks.hour(store, polls.at_us[before]) + 1, clocks.hour(store, polls.at_us[before + 1])
    begin, end = np.maximum(begin, 0), np.minimum(end, clocks.hours)
    pair, hour = expand_ranges(begin, np.maximum(end - begin, 0))
    between = store[pair] * clocks.hours + hour
    timed[between[taken[between] == 0]] = True
    states, stores = history.states(), len(taken) // clocks.hours
    known_s = clocks.sum_times(states.store, states.begin_us, states.end_us, stores)
    down = ~states.active
    down_s = clocks.sum_times(states.store[down], states.begin_us[down], states.end_us[down], stores)
    return timed & (known_s > 0), known_s, down_s


def count_open_minutes(
    stores: StoreHistory, first_day: int, days: int, *, adjustments: Adjustments = NO_ADJUSTMENTS
) -> Minutes:
    """Return the minutes that stores are open in the hours of consecutive local dates, in shape (stores, days * 24)."""
    first_us, last_us = first_day * DAY_US - ZONES_US, (first_day + days) * DAY_US + ZONES_US
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, first_us, last_us, keep=False)
    clocks = _HourClocks(stores.zones, first_day, days)
    opened_s = clocks.sum_spans(schedule.measured, len(stores.zones))
    opened = np.maximum(np.rint(opened_s / 60), opened_s > 0)
    return opened.reshape(len(stores.zones), clocks.hours).astype(np.uint8)


class _HourClocks:
    """The local hours of some dates, for stores with these zones."""

    def __init__(self, zones: Sequence[str | None], first_day: int, days: int) -> None:
        names = [zone or DEFAULT_TIMEZONE for zone in zones]
        known = sorted(set(names))
        place = {name: index for index, name in enumerate(known)}
        self.zone = np.array([place[name] for name in names], dtype=np.int64)
        self.table: ZoneTable = zone_table(known, first_day - 10, first_day + days + 10)
        self.first_s, self.hours = first_day * DAY_HOURS * _HOUR_S, days * DAY_HOURS

    def local_s(self, store: Int64s, at_s: Int64s) -> Int64s:
        """Return local seconds since 1970."""
        return self.table.local_s(self.zone[store], at_s)

    def hour(self, store: Int64s, at_us: Int64s) -> Int64s:
        """Return the local hours of instants, from the first one on."""
        return (self.local_s(store, at_us // _SECOND_US) - self.first_s) // _HOUR_S

    def cells(self, store: Int64s, at_us: Int64s) -> Int64s:
        """Return the hours of instants as indexes into an array by store and hour; -1 outside of the dates."""
        hour = self.hour(store, at_us)
        cells: Int64s = np.where((hour >= 0) & (hour < self.hours), store * self.hours + hour, -1)
        return cells

    def sum_spans(self, spans: Spans, stores: int) -> Doubles:
        """Return the seconds of spans in each hour of each store, in shape (stores * hours,)."""
        return self.sum_times(spans.store, spans.open_us, spans.close_us, stores)

    def sum_times(self, store: Int64s, begin_us: Int64s, end_us: Int64s, stores: int) -> Doubles:
        """Return the seconds between instants likewise."""
        begin_s = np.maximum(self.local_s(store, begin_us // _SECOND_US) - self.first_s, 0)
        end_s = np.minimum(self.local_s(store, end_us // _SECOND_US) - self.first_s, self.hours * _HOUR_S)
        kept = np.flatnonzero(begin_s < end_s)
        begin_s, end_s, store = begin_s[kept], end_s[kept], store[kept]
        first = begin_s // _HOUR_S
        part, hour = expand_ranges(first, -(-end_s // _HOUR_S) - first)
        length_s = np.minimum(end_s[part], (hour + 1) * _HOUR_S) - np.maximum(begin_s[part], hour * _HOUR_S)
        place = store[part] * self.hours + hour
        return np.bincount(place, length_s, minlength=stores * self.hours).astype(np.float64)
