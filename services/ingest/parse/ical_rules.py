"""Expands the recurrence rules of iCalendar (RRULE) over a range of days.

Every day of the range is tested at once, with arrays, so each rule costs the same: neither a rule without end nor one
that never matches costs more. A library that steps from match to match looks for the latter until the year 9999.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self

import numpy as np
from icalendar.prop import vRecur

from services.ingest.parse.ical_days import (
    DAY_TESTS,
    DAYS_PER_WEEK,
    Bools,
    Days,
    Int64s,
    all_days,
    pick_positions,
)
from services.ingest.parse.ical_lines import Property

_EPOCH: Final = date(1970, 1, 1).toordinal()
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQUENCIES: Final = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_BY_DATE: Final = ("BYDAY", "BYMONTHDAY", "BYYEARDAY")
_LIMITS: Final[Mapping[str, tuple[int, int]]] = {
    "INTERVAL": (1, 1000),
    "COUNT": (1, 1_000_000_000),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYSETPOS": (-366, 366),
}
_KNOWN: Final = frozenset({"FREQ", "UNTIL", "WKST", "BYDAY", *_LIMITS})
_SINGLE: Final = frozenset({"FREQ", "UNTIL", "WKST", "INTERVAL", "COUNT"})
_NUMBER: Final = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_PLACE: Final = re.compile(r"\s*[+-]?(\d+)", re.ASCII)
_MOST_PLACES: Final = 53  # of a weekday in a year
# The parts that have no meaning, or another one, for these frequencies (RFC 5545, section 3.3.10).
_MEANINGLESS: Final = {"BYYEARDAY": ("MONTHLY", "WEEKLY", "DAILY"), "BYMONTHDAY": ("WEEKLY",)}


@dataclass(frozen=True)
class RecurrenceRule:
    """A recurrence rule by whole days. `until` is as it is written."""

    source: Property
    parts: Mapping[str, Sequence[Any]]

    @classmethod
    def parse(cls, source: Property) -> Self:
        """Read a rule. Raise `InvalidRequest` if it is not valid, or repeats more often than daily."""
        _check_written(source)
        try:
            found = vRecur.from_ical(source.value)
            parts = {str(name).upper(): list(values) for name, values in found.items()}
        except (ValueError, TypeError, KeyError):
            source.refuse("this is not a recurrence rule: write it as FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25")
        rule = cls(source, parts)
        rule._check()
        return rule

    @property
    def frequency(self) -> str:
        return str(self.parts.get("FREQ", [""])[0]).upper()

    @property
    def until(self) -> date | None:
        """The last date or time of an occurrence, as it is written."""
        found: date | None = self.parts.get("UNTIL", [None])[0]
        return found

    def expand(self, start: date, days: Days) -> Int64s:
        """Return the days of all occurrences from `start` on, which is always the first one, in `days`."""
        if self.frequency != "WEEKLY" or "BYSETPOS" not in self.parts:
            return self._expand(start, days)
        # The last week may reach into the next year, and positions count from its end too.
        found: Int64s = self._expand(start, all_days(int(days.year[-1]) + 1))
        seen: Int64s = found[(found <= days.number[-1]) | (found == found[0])]
        return seen

    def _expand(self, start: date, days: Days) -> Int64s:
        first = start.toordinal() - _EPOCH
        period, period_first = self._number_periods(days, start, first)
        chosen = days.since(period_first)
        period = period[len(period) - len(chosen.number) :]
        matches = self._match(chosen, start) & (period % self._number("INTERVAL", 1) == 0)
        if "BYSETPOS" in self.parts:
            matches = pick_positions(matches, period, self.parts["BYSETPOS"])
        found = np.union1d(chosen.number[matches & (chosen.number >= first)], [first])
        return found[: self._number("COUNT", len(found))]

    def _number(self, name: str, default: int) -> int:
        return int(self.parts.get(name, [default])[0])

    def _number_periods(self, days: Days, start: date, first: int) -> tuple[Int64s, int]:
        """Return the number of each day's year, month, week or day, counted from the start's, and its first day."""
        match self.frequency:
            case "YEARLY":
                return days.year - start.year, first - start.timetuple().tm_yday + 1
            case "MONTHLY":
                return (days.year - start.year) * 12 + days.month - start.month, first - start.day + 1
            case "WEEKLY":
                week_start = _WEEKDAYS.index(str(self.parts.get("WKST", ["MO"])[0]).upper())
                week_first = first - (start.weekday() - week_start) % DAYS_PER_WEEK
                return (days.number - week_first) // DAYS_PER_WEEK, week_first
        return days.number - first, first

    def _match(self, days: Days, start: date) -> Bools:
        """Return which days all parts of the rule allow. What the rule leaves open is as on the start."""
        parts = self.parts
        matches = np.ones(len(days.number), np.bool_)
        if not any(name in parts for name in _BY_DATE):
            if self.frequency == "WEEKLY":
                matches &= days.weekday == start.weekday()
            elif self.frequency != "DAILY":
                matches &= days.day == start.day
                if self.frequency == "YEARLY" and "BYMONTH" not in parts:
                    matches &= days.month == start.month
        for name, is_in in DAY_TESTS.items():
            if name in parts:
                matches &= is_in(days, parts[name])
        if "BYDAY" in parts:
            matches &= self._match_weekdays(days)
        return matches

    def _match_weekdays(self, days: Days) -> Bools:
        found = np.zeros(len(days.number), np.bool_)
        in_month = self.frequency == "MONTHLY" or "BYMONTH" in self.parts
        before = (days.day if in_month else days.yearday) - 1
        after = (days.days_left if in_month else days.days_left_of_year) - 1
        for given in self.parts["BYDAY"]:
            is_day = days.weekday == _WEEKDAYS.index(given.weekday.upper())
            place = given.relative
            if place:
                ordinal = before // DAYS_PER_WEEK + 1 if place > 0 else -(after // DAYS_PER_WEEK) - 1
                is_day &= ordinal == place
            found |= is_day
        return found

    def _check(self) -> None:
        """Refuse what is not valid, one rule of RFC 5545 after the other."""
        self._check_parts()
        parts, refuse = self.parts, self.source.refuse
        for name, frequencies in _MEANINGLESS.items():
            if name in parts and self.frequency in frequencies:
                refuse(f"{name} has no meaning with FREQ={self.frequency}: leave it out")
        if self.frequency in {"WEEKLY", "DAILY"} and any(one.relative for one in parts.get("BYDAY", ())):
            refuse(f"BYDAY has a number, which FREQ={self.frequency} cannot have: write MO, not 1MO")

    def _check_parts(self) -> None:
        parts, refuse = self.parts, self.source.refuse
        if self.frequency not in _FREQUENCIES:
            refuse("dates repeat YEARLY, MONTHLY, WEEKLY or DAILY: use one of these as FREQ")
        if unknown := sorted(parts.keys() - _KNOWN):
            refuse(f"{unknown[0]} is not read: leave it out, or write the dates as events of their own")
        if {"COUNT", "UNTIL"} <= parts.keys():
            refuse("a rule has either COUNT or UNTIL: leave out one of them")
        if "UNTIL" in parts and not isinstance(self.until, date):
            refuse("UNTIL is not a date or a time: write it as 20301231 or 20301231T235959Z")


def _check_written(source: Property) -> None:
    """Refuse what the parser would drop without a word, or refuse without the name of the part."""
    given: set[str] = set()
    for part in filter(str.strip, source.value.split(";")):
        name, _, text = part.partition("=")
        name, values = name.strip().upper(), text.split(",")
        if name in given:
            source.refuse(f"{name} is given twice: leave out one of them")
        given.add(name)
        if name in _LIMITS:
            _check_numbers(source, name, values)
        if name in _SINGLE and len(values) > 1:
            source.refuse(f"{name} must be one value")
        if name == "BYDAY" and not all(map(_is_place, values)):
            source.refuse(
                f"BYDAY counts days from 1 to {_MOST_PLACES}, and from the end with -1: write 1MO, or MO"
            )


def _check_numbers(source: Property, name: str, values: Sequence[str]) -> None:
    lowest, highest = _LIMITS[name]
    numbers = [int(value) if _NUMBER.fullmatch(value.strip()) else 0 for value in values]
    if any(number == 0 or not lowest <= number <= highest for number in numbers):
        source.refuse(f"{name} must be {lowest:,} to {highest:,}{', and not 0' if lowest < 0 else ''}")


def _is_place(day: str) -> bool:
    """Whether the number of a weekday can be one; a weekday without a number is each one."""
    found = _PLACE.match(day)
    return found is None or 1 <= int(found[1][:3]) <= _MOST_PLACES
