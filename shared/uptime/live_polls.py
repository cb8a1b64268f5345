"""What the polls of each store say up to now: the last one, the run that it ends, and how often the store is polled.

Works on arrays only. Must not know hours or zones.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from shared.uptime.intervals import Bools, Int64s
from shared.uptime.states import Polls

MISSING: Final = -1
# A usual gap is known from this many gaps on.
_LEAST_GAPS: Final = 3
# Enough for twelve days.
_GAP_BITS: Final = 40


@dataclass(frozen=True, slots=True)
class LastRun:
    """One element a store, of the polls that count: the last one, and the run of equal polls that it ends.

    `span` is the index of the last poll's span, `first_us` the first poll of the run, `before_us` the poll before the run,
    which says the opposite; or the first poll itself, if it is an event. `unbroken_us` is the poll of the run from which on
    the polls are in one span, and none of them is too far from the next. What a store does not have is `MISSING`.
    """

    span: Int64s
    at_us: Int64s
    unbroken_us: Int64s
    active: Bools
    first_us: Int64s
    before_us: Int64s
    polls: Int64s


class LatestPolls(NamedTuple):
    """The last poll of each store, also one that does not count. An instant that does not exist is `MISSING`."""

    at_us: Int64s
    active: Bools


def last_polls(ordered: Polls, older: Polls, stores: int) -> LatestPolls:
    """Return the last poll of each store: of those in order, or else of the older ones, which are in any order."""
    at_us, active = np.full(stores, MISSING), np.zeros(stores, dtype=np.bool_)
    by_time = np.argsort(older.at_us, kind="stable")
    # Of several elements for one store the last one stays.
    at_us[older.store[by_time]] = older.at_us[by_time]
    active[older.store[by_time]] = older.active[by_time]
    last, has = _last_places(ordered.store, stores)
    at_us[has], active[has] = ordered.at_us[last[has]], ordered.active[last[has]]
    return LatestPolls(at_us, active)


def last_runs(counted: Polls, span: Int64s, stores: int, reach_us: int) -> LastRun:
    """Return the last run of each store. `counted` are in order, `span` has the index of the span of each.

    Polls that are further apart than `reach_us` leave time between them that neither speaks for.
    """
    found = [np.full(stores, MISSING) for _ in range(5)]
    active, number = np.zeros(stores, dtype=np.bool_), np.zeros(stores, dtype=np.int64)
    last, has = _last_places(counted.store, stores)
    last = last[has]
    place = np.arange(len(counted.store))
    begins = np.ones(len(place), dtype=np.bool_)
    begins[1:] = (np.diff(counted.store) > 0) | np.diff(counted.active)
    breaks = begins.copy()
    breaks[1:] |= (span[1:] != span[:-1]) | (np.diff(counted.at_us) > reach_us)
    first, unbroken = (np.maximum.accumulate(np.where(each, place, 0))[last] for each in (begins, breaks))
    before = first - 1
    follows = (before >= 0) & (counted.store[before] == counted.store[last])
    active[has], number[has] = counted.active[last], last - first + 1
    before_us = np.where(follows, counted.at_us[before], MISSING)
    if counted.event is not None:
        before_us = np.where(counted.event[first], counted.at_us[first], before_us)
    at_us = counted.at_us
    for array, values in zip(
        found, (span[last], at_us[last], at_us[unbroken], at_us[first], before_us), strict=True
    ):
        array[has] = values
    spans, last_us, unbroken_us, first_us, before_us = found
    return LastRun(spans, last_us, unbroken_us, active, first_us, before_us, number)


def usual_gaps_us(counted: Polls, span: Int64s, stores: int) -> Int64s:
    """Return the lower median of the gaps between consecutive polls of one span; `MISSING` if there are too few."""
    pair = np.flatnonzero(span[1:] == span[:-1])
    store, gap_us = counted.store[1:][pair], np.diff(counted.at_us)[pair]
    # Store and gap in one integer: one sort of numbers is several times faster than a sort by two keys.
    ordered = np.sort((store << _GAP_BITS) + gap_us)
    number = np.bincount(store, minlength=stores)
    first = np.cumsum(number) - number
    usual_us = np.full(stores, MISSING)
    known = number >= _LEAST_GAPS
    usual_us[known] = ordered[(first + (number - 1) // 2)[known]] & ((1 << _GAP_BITS) - 1)
    return usual_us


def _last_places(store: Int64s, stores: int) -> tuple[Int64s, Bools]:
    """Return the index of the last element of each store, in ascending order of the stores, and which stores have one."""
    until = np.searchsorted(store, np.arange(stores), side="right")
    has = np.diff(until, prepend=0) > 0
    return until - 1, has
