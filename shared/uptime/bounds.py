"""Compute where the windows of each store begin and end: the same for all stores, or at midnights of its zone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from shared.uptime.intervals import Int64s
from shared.uptime.window import CalendarPeriod, Window
from shared.uptime.zones import DAY_S, number_zones, zone_table

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US: Final = 1_000_000
_DAY: Final = timedelta(days=1)


def bounds_us(windows: Sequence[Window], as_of_us: int, zones: Sequence[str | None]) -> tuple[Int64s, Int64s]:
    """Return starts and ends of the windows of stores with these zones (None: the default), in shape (stores, windows).

    Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    reach_us = np.array([window.reach_us for window in windows], dtype=np.int64)
    ends_us = np.full((len(zones), len(windows)), as_of_us, dtype=np.int64)
    starts_us = ends_us - reach_us
    for index, window in enumerate(windows):
        if window.is_before:
            ends_us[:, index] = as_of_us - window.reach_us // 2
    local = [index for index, window in enumerate(windows) if window.calendar or window.dates]
    if not local or not zones:
        return starts_us, ends_us
    names, zone = number_zones(zones)
    for index in local:
        first_us, end_us = _bounds_by_zone_us(names, windows[index], as_of_us)
        starts_us[:, index], ends_us[:, index] = first_us[zone], end_us[zone]
    return starts_us, ends_us


def midnights_us(names: Sequence[str], days: Int64s) -> Int64s:
    """Return the instants at which local dates begin. `days` holds days since 1970; its first axis is that of the zones.

    Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    table = zone_table(names, int(days.min()) - 1, int(days.max()) + 1)
    zone = np.arange(len(names), dtype=np.int64).reshape(-1, *[1] * (days.ndim - 1))
    return table.utc_s(zone, days * DAY_S) * _SECOND_US


def window_dates(window: Window, today: date) -> tuple[date, date]:
    """Return the first date of a calendar window, and the one after its last, given a store's date at `as_of`.

    A window to date ends before `today`. The window must not be a duration.
    """
    if window.dates is not None:
        return window.dates.first, window.dates.until
    assert window.calendar is not None  # noqa: S101 - the caller has checked
    return _DATES[window.calendar](today)


def dates_before(calendar: CalendarPeriod, first: date) -> tuple[date, date]:
    """Return the dates of the period before the one that begins on `first`, whole also for windows to date."""
    return _DATES[_WHOLE.get(calendar, calendar)](first)


def _bounds_by_zone_us(names: Sequence[str], window: Window, as_of_us: int) -> tuple[Int64s, Int64s]:
    """Return start and end of a window of local dates in each zone. What lies after `as_of_us` is cut off."""
    as_of = _EPOCH + timedelta(microseconds=as_of_us)
    dates = [window_dates(window, as_of.astimezone(ZoneInfo(name)).date()) for name in names]
    edges = np.array([[_days_since_epoch(day) for day in edge] for edge in zip(*dates, strict=True)])
    starts_us, ends_us = (midnights_us(names, edge) for edge in edges)
    if window.calendar in _WHOLE:
        ends_us = np.full_like(starts_us, as_of_us)
    if window.is_before and window.calendar is not None:
        earlier = [dates_before(window.calendar, first) for first, _ in dates]
        edges = np.array([[_days_since_epoch(day) for day in edge] for edge in zip(*earlier, strict=True)])
        length_us = ends_us - starts_us
        starts_us, ends_us = (midnights_us(names, edge) for edge in edges)
        if window.calendar in _WHOLE:
            ends_us = np.minimum(starts_us + length_us, ends_us)
    return np.minimum(starts_us, as_of_us), np.minimum(ends_us, as_of_us)


def _previous_day(today: date) -> tuple[date, date]:
    return today - _DAY, today


def _previous_week(today: date) -> tuple[date, date]:
    monday = today - today.weekday() * _DAY
    return monday - 7 * _DAY, monday


def _month_to_date(today: date) -> tuple[date, date]:
    return today.replace(day=1), today


def _previous_month(today: date) -> tuple[date, date]:
    first = today.replace(day=1)
    return (first - _DAY).replace(day=1), first


def _previous_quarter(today: date) -> tuple[date, date]:
    first = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    last = first - _DAY
    return last.replace(month=last.month - 2, day=1), first


def _year_to_date(today: date) -> tuple[date, date]:
    return today.replace(month=1, day=1), today


def _previous_year(today: date) -> tuple[date, date]:
    first = today.replace(month=1, day=1)
    return first.replace(year=first.year - 1), first


# The local dates at whose midnights a window begins and ends, given the store's date at `as_of`.
_DATES: Final[Mapping[CalendarPeriod, Callable[[date], tuple[date, date]]]] = {
    CalendarPeriod.PREVIOUS_DAY: _previous_day,
    CalendarPeriod.PREVIOUS_WEEK: _previous_week,
    CalendarPeriod.MONTH_TO_DATE: _month_to_date,
    CalendarPeriod.PREVIOUS_MONTH: _previous_month,
    CalendarPeriod.PREVIOUS_QUARTER: _previous_quarter,
    CalendarPeriod.YEAR_TO_DATE: _year_to_date,
    CalendarPeriod.PREVIOUS_YEAR: _previous_year,
}
# The whole periods that windows to date are the beginning of.
_WHOLE: Final = {
    CalendarPeriod.MONTH_TO_DATE: CalendarPeriod.PREVIOUS_MONTH,
    CalendarPeriod.YEAR_TO_DATE: CalendarPeriod.PREVIOUS_YEAR,
}


def _days_since_epoch(day: date) -> int:
    return day.toordinal() - _EPOCH.toordinal()
