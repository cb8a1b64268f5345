"""Turns an iCalendar file into the special dates of a calendar.

An event of whole days closes its dates. An event with times is an opening interval of the date on which it begins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from services.ingest.parse.ical_events import TOO_LONG, Event, IcalFile, read_file
from services.ingest.parse.ical_lines import refuse_line
from services.ingest.parse.ical_starts import find_replaced, list_occurrences
from shared.errors import InvalidRequest
from shared.store_limits import MAX_INTERVALS_A_DAY, MAX_SPECIAL_DATES

YEARS_BACK: Final = 10
YEARS_AHEAD: Final = 10
_MAX_OCCURRENCES: Final = 10 * MAX_SPECIAL_DATES
_SHOWN_MISSED: Final = 5
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class IcalDates:
    """The dates of a file, each with its opening and closing seconds, and what the sender should check."""

    dates: Mapping[date, Sequence[int]]
    warnings: Sequence[str] = ()


def parse_icalendar(body: bytes, today: date) -> IcalDates:
    """Return the dates of the 20 years around `today`. Raise `InvalidRequest`, which names the line."""
    file = read_file(body)
    if not file.events:
        raise InvalidRequest("the file has no events: send the calendar that has the dates", field="body")
    found = _Dates(date(today.year - YEARS_BACK, 1, 1), date(today.year + YEARS_AHEAD, 1, 1))
    replaced = find_replaced(file)
    for event in file.events:
        if not event.is_canceled:
            found.add_event(event, file, replaced.get(event.uid, {}))
    dates, warnings = found.join(), list(found.list_warnings())
    if not dates:
        raise InvalidRequest(
            f"the file gives no date ({'; '.join(warnings) or 'all its events are canceled or excepted'}), and would empty"
            " the calendar: send events of these years, or remove the calendar",
            field="body",
        )
    return IcalDates(dates, warnings)


@dataclass
class _Dates:
    """The dates from `first` until before `end`. The work is bounded, whatever the file says."""

    first: date
    end: date
    closed: dict[date, int] = field(default_factory=dict)
    opened: dict[date, dict[tuple[int, int], int]] = field(default_factory=dict)
    left_out: int = 0
    has_zones: bool = False
    dropped: set[tuple[int, date]] = field(default_factory=set)
    missed: set[tuple[int, date]] = field(default_factory=set)
    _occurrences: int = 0

    def add_event(self, event: Event, file: IcalFile, replaced: Mapping[date, int]) -> None:
        """Add all occurrences of an event."""
        found = list_occurrences(event, file, replaced, (self.first, self.end))
        self._count(event, len(found.times))
        self.dropped |= {(line, at) for at, line in found.dropped.items()}
        self.missed |= {(line, at) for at, line in found.missed.items() if self._has(at)}
        added = [self._add(event, start, end) for start, end in found.times]
        self.left_out += bool(added) and not any(added)
        if len(self.closed) + len(self.opened) > MAX_SPECIAL_DATES:
            refuse_line(
                event.source.line,
                f"the calendar has more than {MAX_SPECIAL_DATES:,} dates: leave out what is long past",
            )

    def join(self) -> dict[date, list[int]]:
        """Return all dates in order. Raise `InvalidRequest` if one is both closed and open."""
        for day in sorted(self.closed.keys() & self.opened.keys()):
            refuse_line(
                next(iter(self.opened[day].values())),
                f"{day} has opening hours here, and is closed by the event of line {self.closed[day]:,}: leave out one"
                " of them",
            )
        days: dict[date, list[int]] = {day: [] for day in self.closed}
        for day, intervals in self.opened.items():
            days[day] = [second for interval in sorted(intervals) for second in interval]
        return dict(sorted(days.items()))

    def list_warnings(self) -> Iterator[str]:
        """Yield what was left out, and how times were read."""
        if self.left_out:
            yield (
                f"events before {self.first} or after {self.end - _DAY} were left out: {self.left_out:,}; a calendar"
                " from iCalendar covers 20 years"
            )
        # One of two series with the same UID may have the occurrence that an event stands in for.
        if missed := sorted(self.missed - self.dropped, key=lambda one: (one[0], str(one[1]))):
            shown = ", ".join(f"{at} (line {line:,})" for line, at in missed[:_SHOWN_MISSED])
            more = f" and {len(missed) - _SHOWN_MISSED:,} more" if len(missed) > _SHOWN_MISSED else ""
            yield (
                f"no occurrence begins at {shown}{more}, so this EXDATE or RECURRENCE-ID leaves nothing out: write the"
                " start of the occurrence, with its time and zone"
            )
        if self.has_zones:
            yield "times with a time zone were read as the local time of each store"

    def _has(self, at: date) -> bool:
        return self.first <= (at.date() if isinstance(at, datetime) else at) < self.end

    def _add(self, event: Event, start: date, end: date) -> bool:
        """Add an occurrence, given in local time. Return whether any of it is in the range."""
        if not (isinstance(start, datetime) and isinstance(end, datetime)):
            return self._close(event, start)
        self.has_zones |= bool(event.start.zone)
        day, opens, closes = start.date(), _second_of_day(start), _second_of_day(end)
        if not self.first <= day < self.end:
            return False
        # A day in UTC may be longer or shorter for the clocks of a zone.
        if not timedelta() < end - start <= _DAY:
            refuse_line(event.source.line, TOO_LONG)
        intervals = self.opened.setdefault(day, {})
        intervals.setdefault((opens, closes), event.source.line)
        if len(intervals) > MAX_INTERVALS_A_DAY:
            refuse_line(
                event.source.line, f"{day} has more than {MAX_INTERVALS_A_DAY} intervals: leave some out"
            )
        return True

    def _close(self, event: Event, start: date) -> bool:
        first, end = max(start, self.first), min(start + event.length, self.end)
        self._count(event, (end - first).days)
        for number in range((end - first).days):
            self.closed.setdefault(first + number * _DAY, event.source.line)
        return first < end

    def _count(self, event: Event, occurrences: int) -> None:
        self._occurrences += max(0, occurrences)
        if self._occurrences > _MAX_OCCURRENCES:
            refuse_line(
                event.source.line, "the events fall on the same dates too often: write each date once"
            )


def _second_of_day(at: datetime) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second
