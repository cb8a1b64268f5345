"""The windows that a report measures, and how they are written. Must not know stores or zones; `bounds.py` does."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.uptime.periods import PERIOD_EXAMPLES, LocalDates, parse_period
from shared.uptime.policy import DAY_US, HOUR_US, MINUTE_US

MAX_WINDOWS: Final = 20
MAX_LENGTH_US: Final = 366 * DAY_US
_SECOND_US: Final = 1_000_000
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,2})W)?(?:(?P<days>\d{1,3})D)?"
    r"(?:T(?:(?P<hours>\d{1,4})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})S)?)?",
    re.ASCII,
)
BEFORE: Final = "before:"
_BEFORE_NAME: Final = "before_"
# The name that a duration makes, such as last_1d12h.
_NAME = re.compile(r"last_((?:\d{1,2}w)?(?:\d{1,3}d)?)((?:\d{1,4}h)?(?:\d{1,6}m)?(?:\d{1,8}s)?)", re.ASCII)
_UNITS_US: Final = {
    "weeks": 7 * DAY_US,
    "days": DAY_US,
    "hours": HOUR_US,
    "minutes": MINUTE_US,
    "seconds": _SECOND_US,
}
# A local day lasts 25 hours where clocks go back, 48 where a zone crosses the date line.
_LOCAL_MARGIN_US: Final = DAY_US


class CalendarPeriod(StrEnum):
    """Windows between midnights in the store's zone."""

    PREVIOUS_DAY = "previous_day"
    PREVIOUS_WEEK = "previous_week"  # Monday to Monday
    MONTH_TO_DATE = "month_to_date"
    PREVIOUS_MONTH = "previous_month"
    PREVIOUS_QUARTER = "previous_quarter"  # of the calendar year
    YEAR_TO_DATE = "year_to_date"
    PREVIOUS_YEAR = "previous_year"


@dataclass(frozen=True, slots=True)
class Window:
    """`[as_of - length, as_of)`, or a stretch of the store's calendar. The name is the suffix of its report columns.

    `reach_us` is how far before `as_of` the window can start: its length, unless it is a calendar window. A window of
    fixed `dates` reaches as far as `as_of` is away: ask `reach_from_us`.
    `duration` is the ISO 8601 text of a window that is not one of `NAMED_WINDOWS`. `is_before` makes it the window just
    before that one: `[as_of - 2 * length, as_of - length)`, or the period before in the store's calendar.
    """

    name: str
    reach_us: int
    calendar: CalendarPeriod | None = None
    dates: LocalDates | None = None
    duration: str | None = field(default=None, compare=False)
    is_before: bool = False

    @property
    def text(self) -> str:
        """The text that is stored. Callers and people see the name."""
        return self.duration or (self.dates.text if self.dates else self.name)

    @property
    def in_minutes(self) -> bool:
        """Whether times are shown in minutes; times of longer windows are in hours."""
        return self.reach_us <= (2 * HOUR_US if self.is_before else HOUR_US)

    def reach_from_us(self, as_of_us: int) -> int:
        """Return how far before `as_of_us` the window can start in any zone."""
        return self.reach_us if self.dates is None else max(as_of_us - self.dates.earliest_us, 0)

    def ends_by_us(self, as_of_us: int) -> int:
        """Return an instant at which the window has ended in every zone: `as_of_us`, or earlier for past dates."""
        if self.dates is not None:
            return min(as_of_us, self.dates.latest_us)
        is_fixed = self.is_before and self.calendar is None
        return as_of_us - self.reach_us // 2 if is_fixed else as_of_us


DEFAULT_WINDOWS: Final = (
    Window("last_hour", HOUR_US),
    Window("last_day", DAY_US),
    Window("last_week", 7 * DAY_US),
)
DEFAULT_WINDOW_NAMES: Final = tuple(window.name for window in DEFAULT_WINDOWS)
NAMED_WINDOWS: Final[Mapping[str, Window]] = MappingProxyType(
    {window.name: window for window in DEFAULT_WINDOWS}
    | {
        calendar.value: Window(calendar.value, days * DAY_US + _LOCAL_MARGIN_US, calendar)
        for calendar, days in (
            (CalendarPeriod.PREVIOUS_DAY, 2),
            (CalendarPeriod.PREVIOUS_WEEK, 14),
            (CalendarPeriod.MONTH_TO_DATE, 31),
            (CalendarPeriod.PREVIOUS_MONTH, 62),
            (CalendarPeriod.PREVIOUS_QUARTER, 184),
            (CalendarPeriod.YEAR_TO_DATE, 366),
            (CalendarPeriod.PREVIOUS_YEAR, 731),
        )
    }
)
# How much farther back the period before one can begin.
_LONGER_US: Final = {
    calendar: days * DAY_US
    for calendar, days in (
        (CalendarPeriod.PREVIOUS_DAY, 1),
        (CalendarPeriod.PREVIOUS_WEEK, 7),
        (CalendarPeriod.MONTH_TO_DATE, 31),
        (CalendarPeriod.PREVIOUS_MONTH, 31),
        (CalendarPeriod.PREVIOUS_QUARTER, 92),
        (CalendarPeriod.YEAR_TO_DATE, 366),
        (CalendarPeriod.PREVIOUS_YEAR, 366),
    )
}


def parse_window(text: str) -> Window:
    """Parse the name of a window, an ISO 8601 duration (`PT6H`, `P30D`), or a local day, week or month (`month_of:2026-10`).

    A duration has weeks, days, hours, minutes and seconds, and makes a name: `last_6h`, `last_30d`, `last_1d12h`. The names
    that durations and local periods make are read too. `before:` and a window is the window before it. Raises ValueError with
    the possible values.
    """
    if text.startswith((BEFORE, _BEFORE_NAME)):
        return _parse_before(text[len(BEFORE) :])
    if text in NAMED_WINDOWS:
        return NAMED_WINDOWS[text]
    if dates := parse_period(text):
        return Window(dates.name, dates.latest_us - dates.earliest_us, dates=dates)
    if named := _NAME.fullmatch(text):
        days, times = named.groups()
        text = f"P{days}{'T' if times else ''}{times}".upper()
    found = _DURATION.fullmatch(text)
    given = (
        {unit: int(digits) for unit, digits in found.groupdict().items() if int(digits or 0)} if found else {}
    )
    if not given or text.endswith("T"):
        raise ValueError(
            f"{text!r} is not a window; use {', '.join(NAMED_WINDOWS)}, a local period such as {PERIOD_EXAMPLES}, or an"
            " ISO 8601 duration such as PT6H or P30D (months and years have no fixed length)"
        )
    length_us = sum(number * _UNITS_US[unit] for unit, number in given.items())
    if not 0 < length_us <= MAX_LENGTH_US:
        raise ValueError(f"{text!r}: a window must be longer than 0 and at most 366 days")
    name = "last_" + "".join(f"{number}{unit[0]}" for unit, number in given.items())
    return Window(name, length_us, duration=text)


def _parse_before(text: str) -> Window:
    """Return the window before another. Before a fixed period this is another fixed period."""
    if text.startswith((BEFORE, _BEFORE_NAME)):
        raise ValueError(f"{BEFORE}{text} is not a window: give one {BEFORE} only")
    window = parse_window(text)
    if window.dates is not None:
        return parse_window(window.dates.previous_text)
    longer_us = _LONGER_US[window.calendar] if window.calendar else window.reach_us
    return replace(
        window,
        name=f"{_BEFORE_NAME}{window.name}",
        reach_us=window.reach_us + longer_us,
        duration=f"{BEFORE}{window.text}",
        is_before=True,
    )


def with_previous(windows: Sequence[Window]) -> tuple[tuple[Window, ...], list[int | None]]:
    """Return the windows followed by the windows before them, each time once; and where the window before each is.

    None stands for a window that is itself one before another, and for one without a period before it.
    """
    every = list(windows)
    places: list[int | None] = []
    for window in windows:
        previous = _previous_window(window)
        if previous is None:
            places.append(None)
            continue
        times = [_time_of(each) for each in every]
        if _time_of(previous) not in times:
            every.append(previous)
            times.append(_time_of(previous))
        places.append(times.index(_time_of(previous)))
    return tuple(every), places


def _previous_window(window: Window) -> Window | None:
    if window.is_before:
        return None
    try:
        return _parse_before(window.text)
    except ValueError:
        # The year before has no polls.
        return None


def _time_of(window: Window) -> tuple[object, ...]:
    """Return what two windows of the same time share."""
    return window.reach_us, window.calendar, window.dates, window.is_before


def window_names(texts: Sequence[str]) -> list[str]:
    """Return the names of stored windows. A text that is not valid stays as it is."""
    return [_name_window(text) for text in texts]


def _name_window(text: str) -> str:
    try:
        return parse_window(text).name
    except ValueError:
        return text


def parse_windows(texts: Sequence[str]) -> tuple[Window, ...]:
    """Parse 1 to `MAX_WINDOWS` windows, in their order. Raises ValueError, also for two windows of the same time."""
    if not 1 <= len(texts) <= MAX_WINDOWS:
        raise ValueError(f"give 1 to {MAX_WINDOWS} windows")
    windows = tuple(parse_window(text) for text in texts)
    seen: dict[tuple[object, ...], str] = {}
    for text, window in zip(texts, windows, strict=True):
        time = _time_of(window)
        if (other := seen.get(time)) is not None:
            same = f"{text} is given twice" if other == text else f"{other} and {text} are the same window"
            raise ValueError(same)
        seen[time] = text
    return windows


def longest_reach_us(windows: Sequence[Window], as_of_us: int) -> int:
    """Return how far before `as_of_us` the earliest window can start."""
    return max(window.reach_from_us(as_of_us) for window in windows)
