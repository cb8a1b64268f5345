"""Spans of stores whose opening hours depend on the date: dated hours, and special days that replace them.

Knows no polls and no closures.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from shared.uptime.calendar import Hours, Spans, closing_s, merge_intervals, spans_of
from shared.uptime.dates import DatedHours, SpecialDays
from shared.uptime.intervals import Bools, Int64s, expand_ranges
from shared.uptime.versions import Versions
from shared.uptime.zones import DAY_S, number_zones, zone_table

_DAY_US: Final = DAY_S * 1_000_000


def spans_by_date(
    zones: Sequence[str | None],
    hours: Hours,
    dated: DatedHours,
    special: SpecialDays,
    range_us: tuple[int, int],
    *,
    keep: bool = True,
) -> Spans:
    """Return what `spans_of` returns for the range, but with dated hours and special days."""
    weekly = spans_of(zones, hours, *range_us, keep=keep)
    chosen = np.zeros(len(zones), dtype=np.bool_)
    chosen[dated.store] = chosen[special.store] = True
    if not chosen.any():
        return weekly
    by_date = _spans_of_chosen(chosen, zones, hours, dated, special, range_us)
    kept = np.flatnonzero(~chosen[weekly.store])
    place = np.searchsorted(weekly.store[kept], by_date.store)
    return Spans(
        np.insert(weekly.store[kept], place, by_date.store),
        np.insert(weekly.open_us[kept], place, by_date.open_us),
        np.insert(weekly.close_us[kept], place, by_date.close_us),
    )


def _spans_of_chosen(
    chosen: Bools,
    zones: Sequence[str | None],
    hours: Hours,
    dated: DatedHours,
    special: SpecialDays,
    range_us: tuple[int, int],
) -> Spans:
    """The spans of the chosen stores, date by date."""
    lo_us, hi_us = range_us
    # The reach of `spans_of`: an interval opens at most two dates before the range, one after it.
    days = np.arange(lo_us // _DAY_US - 2, hi_us // _DAY_US + 2)
    stores = np.flatnonzero(chosen)
    on_dates = _on_dates(stores, days, Versions.of(stores, chosen, hours, dated), special)
    day, store, opens_s, closes_s = (np.concatenate(pair) for pair in zip(*on_dates, strict=True))
    zone = np.full(len(zones), -1, dtype=np.int64)
    names, zone[stores] = number_zones([zones[store] for store in stores.tolist()])
    # An overnight interval ends a day later than its date, one of 24 hours opens on it.
    table = zone_table(names, int(days[0]), int(days[-1]) + 2)
    midnight_s, zone = day * DAY_S, zone[store]
    open_s = table.utc_s(zone, midnight_s + opens_s)
    spans = merge_intervals(store, open_s, table.utc_s(zone, midnight_s + closing_s(opens_s, closes_s)))
    touching = (spans.close_us > lo_us) & (spans.open_us <= hi_us)
    return Spans(spans.store[touching], spans.open_us[touching], spans.close_us[touching])


_Intervals = tuple[Int64s, Int64s, Int64s, Int64s]


def _on_dates(
    stores: Int64s, days: Int64s, versions: Versions, special: SpecialDays
) -> tuple[_Intervals, _Intervals]:
    """Day, store, opening and closing of the weekly intervals that hold on these dates, and of the special ones."""
    rank, day = np.repeat(np.arange(len(stores)), len(days)), np.tile(days, len(stores))
    first, count = versions.rows_on(rank, day)
    asked = (special.day >= days[0]) & (special.day <= days[-1])
    special_rank = np.searchsorted(stores, special.store)
    count[special_rank[asked] * len(days) + special.day[asked] - days[0]] = 0
    cell, row = expand_ranges(first, count)
    kept = np.flatnonzero(asked[special.date])
    date = special.date[kept]
    return (
        (day[cell], stores[rank[cell]], versions.opens_s[row], versions.closes_s[row]),
        (special.day[date], special.store[date], special.opens_s[kept], special.closes_s[kept]),
    )
