"""The local dates of a series: which ones a window has, those of the window before, and how they form periods."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal, Self

from shared.errors import InvalidRequest
from shared.uptime.bounds import dates_before, window_dates
from shared.uptime.policy import DAY_US
from shared.uptime.window import BEFORE, CalendarPeriod, Window, parse_window

SeriesStep = Literal["day", "week", "month"]
MAX_DATES: Final = 366
_DAY: Final = timedelta(days=1)
# The name of the period of a date.
_NAMES: Final[Mapping[SeriesStep, Callable[[date], str]]] = {
    "day": date.isoformat,
    "week": lambda day: f"{day:%G-W%V}",
    "month": lambda day: f"{day:%Y-%m}",
}


@dataclass(frozen=True)
class DateRange:
    """The local dates from `first` up to, but not including, `until`. There can be none."""

    first: date
    until: date

    @property
    def days(self) -> int:
        """How many dates there are."""
        return (self.until - self.first).days

    @property
    def last(self) -> date:
        """The last date."""
        return self.until - _DAY


@dataclass(frozen=True)
class SeriesPeriod:
    """The dates of one day, ISO week or month that lie in the window."""

    name: str
    dates: DateRange

    @classmethod
    def list_of(cls, dates: DateRange, step: SeriesStep) -> Sequence[Self]:
        """Divide dates into periods, in their order."""
        names = [_NAMES[step](dates.first + number * _DAY) for number in range(dates.days)]
        starts = [n for n in range(len(names)) if n == 0 or names[n] != names[n - 1]]
        ends = [*starts[1:], len(names)]
        return [
            cls(names[start], DateRange(dates.first + start * _DAY, dates.first + end * _DAY))
            for start, end in zip(starts, ends, strict=False)
        ]


def resolve_dates(window: Window, today: date) -> DateRange:
    """Return the dates of a window, given the date of `as_of`. A duration has the dates before it. Raises `InvalidRequest`."""
    if window.is_before:
        base = parse_window(window.text.removeprefix(BEFORE))
        dates = previous_dates(base, resolve_dates(base, today))
    elif window.calendar is not None or window.dates is not None:
        dates = DateRange(*window_dates(window, today))
    elif window.reach_us % DAY_US == 0:
        dates = DateRange(today - window.reach_us // DAY_US * _DAY, today)
    else:
        raise InvalidRequest(
            f"{window.name} has no whole dates: a series needs a window of days such as P30D or previous_month",
            field="query.window",
        )
    return check_dates(dates, "query.window")


def check_dates(dates: DateRange, field: str) -> DateRange:
    """Return the dates. Raises `InvalidRequest` for no date, or for too many."""
    if dates.days < 1:
        raise InvalidRequest(
            f"there is no date from {dates.first} to {dates.last}: choose a window that has begun before today, or exchange the"
            " dates",
            field=field,
        )
    if dates.days > MAX_DATES:
        raise InvalidRequest(
            f"{dates.days:,} dates are more than a series may have ({MAX_DATES}): choose a shorter window",
            field=field,
        )
    return dates


def previous_dates(window: Window | None, dates: DateRange) -> DateRange:
    """Return the dates of the window before.

    For a calendar window these are the dates of the period before. For a window to date they begin with the month or year
    before, and are as many. Otherwise they are the same number of dates, just before.
    """
    if window is not None and window.dates is not None:
        return resolve_dates(parse_window(window.dates.previous_text), dates.first)
    if window is None or window.calendar is None:
        return DateRange(dates.first - dates.days * _DAY, dates.first)
    first, until = dates_before(window.calendar, dates.first)
    is_whole = window.calendar not in (CalendarPeriod.MONTH_TO_DATE, CalendarPeriod.YEAR_TO_DATE)
    return DateRange(first, until if is_whole else min(first + dates.days * _DAY, until))
