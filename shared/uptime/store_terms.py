"""What decides when one store is open and asked about, with the names that an explanation shows.

The arrays of `adjustments.py` hold the same without the names. Must not know the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np

from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments
from shared.uptime.calendar import Hours
from shared.uptime.closures import NEVER_US, NO_CLOSURES, NO_LIFETIMES, Closures, Lifetimes, Treatment
from shared.uptime.dates import EARLIEST_DAY, NO_DATED_HOURS, NO_SPECIAL_DAYS, DatedHours, SpecialDays
from shared.uptime.intervals import Int64s
from shared.uptime.notes import NO_NOTES, PollNotes
from shared.uptime.zones import DAY_S

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_WHOLE_DAY: Final = ((0, DAY_S),)


class HoursKind(StrEnum):
    """Where the opening hours of a local date come from."""

    ALWAYS = "always"  # no hours, so open around the clock
    WEEKLY = "weekly"  # weekly hours without a date
    DATED = "dated"  # weekly hours from a date on
    SPECIAL = "special"  # special hours of the store
    CALENDAR = "calendar"  # a calendar that applies to the store


@dataclass(frozen=True, slots=True)
class HoursSource:
    """What gives the hours of a local date: a version of the weekly hours, or special hours of that date."""

    kind: HoursKind
    effective_from: date | None = None
    day: date | None = None
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class HoursVersion:
    """Weekly hours from a local date on, or without a date. Rows: (day of the week, opening, closing second)."""

    effective_from: date | None
    rows: Sequence[tuple[int, int, int]]

    @property
    def source(self) -> HoursSource:
        """The source of the dates on which this version holds."""
        kind = HoursKind.WEEKLY if self.rows else HoursKind.ALWAYS
        return HoursSource(kind if self.effective_from is None else HoursKind.DATED, self.effective_from)


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """The intervals of one local date, none if closed. `calendar`: the calendar they come from, None if the store's own."""

    intervals: Sequence[tuple[int, int]]
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class StoreClosure:
    """A closure that applies to the store. `ends_us` is None if it has no end.

    `labels` are those of the stores that it was declared for, empty for every store; None if it names this store.
    """

    id: str
    starts_us: int
    ends_us: int | None
    treatment: Treatment
    reason: str = ""
    note: str = ""
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True)
class StoreTerms:
    """The zone (None: the default), hours, special days, lifetime and closures of one store, and the notes about its polls.

    There is at least one version of the hours. At most one has no date, and no two have the same.
    """

    zone: str | None
    versions: Sequence[HoursVersion]
    special: Mapping[date, SpecialDay] = field(default_factory=dict)
    opened_us: int | None = None
    closed_us: int | None = None
    closures: Sequence[StoreClosure] = ()
    notes: PollNotes = NO_NOTES

    @property
    def hours(self) -> Hours:
        """The hours without a date, of store 0."""
        rows = [row for version in self.versions if version.effective_from is None for row in version.rows]
        return Hours(np.zeros(len(rows), dtype=np.int64), *_columns(rows, 3))

    @property
    def adjustments(self) -> Adjustments:
        """Everything else, of store 0."""
        has_dates = any(version.effective_from is not None for version in self.versions)
        has_lifetime = self.opened_us is not None or self.closed_us is not None
        if not (has_dates or self.special or has_lifetime or self.closures or len(self.notes)):
            return NO_ADJUSTMENTS
        return Adjustments(
            self._dated_hours() if has_dates else NO_DATED_HOURS,
            self._special_days() if self.special else NO_SPECIAL_DAYS,
            self._lifetimes() if has_lifetime else NO_LIFETIMES,
            self._closures_as_arrays() if self.closures else NO_CLOSURES,
            self.notes,
        )

    def hours_on(self, day: date) -> tuple[HoursSource, Sequence[tuple[int, int]]]:
        """Return the intervals that open on a local date as (opening, closing second), and where they come from."""
        if special := self.special.get(day):
            kind = HoursKind.SPECIAL if special.calendar is None else HoursKind.CALENDAR
            return HoursSource(kind, day=day, calendar=special.calendar), special.intervals
        version = version_on(self.versions, day)
        if not version.rows:
            return version.source, _WHOLE_DAY
        return version.source, [(opens, closes) for at, opens, closes in version.rows if at == day.weekday()]

    def _dated_hours(self) -> DatedHours:
        rows = [(number, *row) for number, version in enumerate(self.versions) for row in version.rows]
        from_day = [
            EARLIEST_DAY if version.effective_from is None else _day_number(version.effective_from)
            for version in self.versions
        ]
        return DatedHours(np.zeros(len(from_day), np.int64), np.array(from_day, np.int64), *_columns(rows, 4))

    def _special_days(self) -> SpecialDays:
        rows = [(number, *row) for number, day in enumerate(self.special.values()) for row in day.intervals]
        days = np.array([_day_number(day) for day in self.special], np.int64)
        return SpecialDays(np.zeros(len(days), np.int64), days, *_columns(rows, 3))

    def _lifetimes(self) -> Lifetimes:
        opened_us = -NEVER_US if self.opened_us is None else self.opened_us
        closed_us = NEVER_US if self.closed_us is None else self.closed_us
        return Lifetimes(*_columns([(0, opened_us, closed_us)], 3))

    def _closures_as_arrays(self) -> Closures:
        rows = [
            (0, one.starts_us, NEVER_US if one.ends_us is None else one.ends_us, one.treatment)
            for one in self.closures
        ]
        return Closures(*_columns(rows, 4))


def version_on(versions: Sequence[HoursVersion], day: date) -> HoursVersion:
    """Return the latest version that has begun on a local date, or the earliest one before its date."""
    by_date = sorted(versions, key=_first_day)
    begun = [version for version in by_date if _first_day(version) <= day]
    return begun[-1] if begun else by_date[0]


def _first_day(version: HoursVersion) -> date:
    return version.effective_from or date.min


def _day_number(day: date) -> int:
    return day.toordinal() - _EPOCH_DAY


def _columns(rows: Iterable[Sequence[int]], width: int) -> list[Int64s]:
    return list(np.array(list(rows), dtype=np.int64).reshape(-1, width).T)
