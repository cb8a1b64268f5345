"""Compute where the windows of each store begin and end: the same for all stores, or at midnights of its zone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from shared.uptime.intervals import Int64s
from shared.uptime.policy import DAY_US
from shared.uptime.window import CalendarPeriod, Window
from shared.uptime.zones import DAY_S, DEFAULT_TIMEZONE, zone_table

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
    calendar = [index for index, window in enumerate(windows) if window.calendar is not None]
    if not calendar or not zones:
        return starts_us, ends_us
    names = sorted({zone or DEFAULT_TIMEZONE for zone in zones})
    number = {name: index for index, name in enumerate(names)}
    zone = np.array([number[name or DEFAULT_TIMEZONE] for name in zones], dtype=np.int64)
    for index in calendar:
        first_us, end_us = _midnights_us(names, windows[index].calendar, as_of_us)
        starts_us[:, index], ends_us[:, index] = first_us[zone], end_us[zone]
    return starts_us, ends_us


def _midnights_us(
    names: Sequence[str], calendar: CalendarPeriod | None, as_of_us: int
) -> tuple[Int64s, Int64s]:
    """Return start and end of one calendar window in each zone."""
    assert calendar is not None  # noqa: S101 - the caller has checked
    as_of = _EPOCH + timedelta(microseconds=as_of_us)
    dates = [_DATES[calendar](as_of.astimezone(ZoneInfo(name)).date()) for name in names]
    first_day, today = as_of_us // DAY_US - 64, as_of_us // DAY_US + 2
    table = zone_table(names, first_day, today)
    zone = np.arange(len(names), dtype=np.int64)
    starts_us, ends_us = (
        table.utc_s(zone, np.array([_days_since_epoch(day[edge]) * DAY_S for day in dates], dtype=np.int64))
        * _SECOND_US
        for edge in (0, 1)
    )
    if calendar is CalendarPeriod.MONTH_TO_DATE:
        ends_us = np.full_like(starts_us, as_of_us)
    return starts_us, ends_us


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


# The local dates at whose midnights a window begins and ends, given the store's date at `as_of`.
_DATES: Final[Mapping[CalendarPeriod, Callable[[date], tuple[date, date]]]] = {
    CalendarPeriod.PREVIOUS_DAY: _previous_day,
    CalendarPeriod.PREVIOUS_WEEK: _previous_week,
    CalendarPeriod.MONTH_TO_DATE: _month_to_date,
    CalendarPeriod.PREVIOUS_MONTH: _previous_month,
}


def _days_since_epoch(day: date) -> int:
    return day.toordinal() - _EPOCH.toordinal()
