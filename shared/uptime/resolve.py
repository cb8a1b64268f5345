"""Named calendars to special days of stores. Knows neither names nor labels: the caller numbers and matches them."""

import numpy as np

from shared.uptime.dates import SpecialDays
from shared.uptime.intervals import Int64s, expand_ranges


def resolved_days(
    own: SpecialDays, calendars: SpecialDays, member_store: Int64s, member_calendar: Int64s
) -> SpecialDays:
    """The special days of stores that have their own, and those of calendars.

    `calendars` has the number of a calendar in place of a store, in the order of the calendars' names. The members are pairs:
    calendar `member_calendar[i]` applies to store `member_store[i]`. A store's own date decides, then the first calendar.
    """
    by_calendar = np.argsort(calendars.store, kind="stable")
    ordered = calendars.store[by_calendar]
    first = np.searchsorted(ordered, member_calendar)
    count = np.searchsorted(ordered, member_calendar, side="right") - first
    member, place = expand_ranges(first, count)
    inherited = by_calendar[place]
    store = np.concatenate((own.store, member_store[member]))
    day = np.concatenate((own.day, calendars.day[inherited]))
    rank = np.concatenate((np.full(len(own.store), -1), member_calendar[member]))
    source = np.concatenate((np.arange(len(own.store)), len(own.store) + inherited))
    order = np.lexsort((rank, day, store))
    decides = np.ones(len(order), dtype=np.bool_)
    decides[1:] = (np.diff(store[order]) != 0) | (np.diff(day[order]) != 0)
    kept = order[decides]
    return SpecialDays(store[kept], day[kept], *_intervals(own, calendars, source[kept]))


def _intervals(own: SpecialDays, calendars: SpecialDays, source: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Date, opening and closing of the intervals of each date, given its number in both lists together."""
    of_date = np.concatenate((own.date, len(own.store) + calendars.date))
    by_date = np.argsort(of_date, kind="stable")
    first = np.searchsorted(of_date[by_date], source)
    count = np.searchsorted(of_date[by_date], source, side="right") - first
    date, place = expand_ranges(first, count)
    row = by_date[place]
    return (
        date,
        np.concatenate((own.opens_s, calendars.opens_s))[row],
        np.concatenate((own.closes_s, calendars.closes_s))[row],
    )
