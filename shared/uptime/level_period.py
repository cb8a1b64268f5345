"""The periods of service levels, as local dates. All stores of a level have the same dates, each in its own time zone."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

# In the last time zone of the world, a date ends twelve hours after it has ended in UTC.
_LAST_ZONE: Final = timedelta(hours=12)
_DAY: Final = timedelta(days=1)
_ROLLING: Final = timedelta(days=30)


class LevelPeriod(StrEnum):
    """Over which dates a service level is evaluated."""

    CALENDAR_MONTH = "calendar_month"
    ROLLING_30_DAYS = "rolling_30_days"
    LAST_12_MONTHS = "last_12_months"


class PeriodDates(NamedTuple):
    """A period's first and last date, both included."""

    first: date
    last: date


def ended_everywhere(as_of: datetime) -> date:
    """Return the latest date that has ended in every time zone."""
    return (as_of.astimezone(UTC) - _LAST_ZONE).date() - _DAY


def find_dates(period: LevelPeriod, through: date, *, ago: int = 0) -> PeriodDates:
    """Return the dates of the period as of the end of `through`, or of the one that many periods before.

    The month is that of `through`. The twelve months are the latest that have ended; `ago` counts their months.
    """
    match period:
        case LevelPeriod.CALENDAR_MONTH:
            first = _month(through, -ago)
            return PeriodDates(first, _month(first, 1) - _DAY)
        case LevelPeriod.ROLLING_30_DAYS:
            last = through - ago * _ROLLING
            return PeriodDates(last - _ROLLING + _DAY, last)
        case LevelPeriod.LAST_12_MONTHS:
            after = _month(through + _DAY, -ago)
            return PeriodDates(_month(after, -12), after - _DAY)


def _month(day: date, later: int) -> date:
    """Return the first date of a month that many months later."""
    year, month = divmod(day.year * 12 + day.month - 1 + later, 12)
    return date(year, month + 1, 1)
