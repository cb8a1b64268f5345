"""Days of one store, such as a week, as rows: what is drawn, in parts of the day. Must not know SVG or HTML."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from shared.clock import to_us
from shared.local_times import instant_of
from shared.uptime.explanation import AccountedSegment, StateRule
from shared.uptime.store_terms import HoursKind, HoursSource, StoreTerms
from shared.uptime.timeline import StoreTimeline

DAYS = 7
_HOURS_OF_A_DAY = 24
MOST_TICKS = 300  # of a day; more would be one grey bar


class BoundedOutage(Protocol):
    """The polls between which an outage began and ended. An instant of None does not exist."""

    @property
    def last_up_poll_at(self) -> datetime | None: ...
    @property
    def first_down_poll_at(self) -> datetime | None: ...
    @property
    def last_down_poll_at(self) -> datetime | None: ...
    @property
    def first_up_poll_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class DayStretch:
    """Part of a day: where it begins and how long it is, as shares of the day's length."""

    x: float
    width: float
    begin_us: int
    end_us: int


@dataclass(frozen=True)
class StateStretch(DayStretch):
    """The part of a segment that lies in one day."""

    segment: AccountedSegment


@dataclass(frozen=True)
class Tick:
    """A poll."""

    x: float
    at_us: int
    active: bool
    counts: bool


@dataclass(frozen=True)
class DayRow:
    """One local date with everything that is drawn in it. `now` is None unless the present lies in it.

    `whiskers` are the times between the polls that bound the starts and ends of outages.
    """

    day: date
    begin_us: int
    end_us: int
    source: HoursSource
    open: Sequence[DayStretch]
    states: Sequence[StateStretch]
    ticks: Sequence[Tick]
    polls: int
    whiskers: Sequence[DayStretch]
    now: float | None

    def total_us(self, *states: str) -> int:
        """Return the time of the day in any of these states."""
        return sum(each.end_us - each.begin_us for each in self.states if each.segment.state in states)

    @property
    def odd_length(self) -> str:
        """How many hours the date has where clocks change, such as `23.5 hours`; empty for 24."""
        hours = (self.end_us - self.begin_us) / 3_600_000_000
        return "" if hours == _HOURS_OF_A_DAY else f"{hours:g} hours"

    @property
    def has_special_hours(self) -> bool:
        """Whether the date has hours of its own."""
        return self.source.kind in (HoursKind.SPECIAL, HoursKind.CALENDAR)


def monday_of(day: date) -> date:
    """Return the Monday of a date's week."""
    return day - timedelta(days=day.weekday())


def midnight_us(day: date, zone: ZoneInfo) -> int:
    """Return the instant at which a local date begins."""
    return to_us(instant_of(datetime.combine(day, time()), zone))


@dataclass(frozen=True)
class WeekRows:
    """Everything that the rows of a week are made from. `now_us` is None where no present is drawn."""

    terms: StoreTerms
    timeline: StoreTimeline
    segments: Sequence[AccountedSegment]
    outages: Sequence[BoundedOutage]
    now_us: int | None

    def rows(self, first: date, zone: ZoneInfo, days: int = DAYS) -> list[DayRow]:
        """Return days from the first on: those of a week, unless another number is given."""
        return [self._row(first + timedelta(days=number), zone) for number in range(days)]

    def _row(self, day: date, zone: ZoneInfo) -> DayRow:
        begin_us, end_us = midnight_us(day, zone), midnight_us(day + timedelta(days=1), zone)
        place = _Place(begin_us, end_us)
        now_us = self.now_us
        polls = [poll for poll in self.timeline.polls if begin_us <= poll.at_us < end_us]
        ticks = [Tick(place.x(poll.at_us), poll.at_us, poll.active, poll.counts) for poll in polls]
        return DayRow(
            day,
            begin_us,
            end_us,
            _source_of(self.terms, day),
            [DayStretch(*cut) for span in self.timeline.spans if (cut := place.cut(*span))],
            list(self._states(place)),
            ticks if len(ticks) <= MOST_TICKS else [],
            len(polls),
            list(self._whiskers(place)),
            None if now_us is None or not begin_us <= now_us < end_us else place.x(now_us),
        )

    def _states(self, place: "_Place") -> Iterator[StateStretch]:
        for segment in self.segments:
            cut = place.cut(segment.begin.at_us, segment.end.at_us)
            if cut and segment.rule is not StateRule.HOURS:
                yield StateStretch(*cut, segment)

    def _whiskers(self, place: "_Place") -> Iterator[DayStretch]:
        """Yield between which polls outages began and ended."""
        for outage in self.outages:
            between = (
                (outage.last_up_poll_at, outage.first_down_poll_at),
                (outage.last_down_poll_at, outage.first_up_poll_at),
            )
            for first, last in between:
                if first and last:
                    yield from self._clip_to_open(place, to_us(first), to_us(last))

    def _clip_to_open(self, place: "_Place", first_us: int, last_us: int) -> Iterator[DayStretch]:
        """Yield the parts in opening time: no outage begins or ends while the store is closed."""
        for opens_us, closes_us in self.timeline.spans:
            if cut := place.cut(max(first_us, opens_us), min(last_us, closes_us)):
                yield DayStretch(*cut)


@dataclass(frozen=True)
class _Place:
    """Where instants lie in a day."""

    begin_us: int
    end_us: int

    def x(self, at_us: int) -> float:
        return (at_us - self.begin_us) / (self.end_us - self.begin_us)

    def cut(self, begin_us: int, end_us: int) -> tuple[float, float, int, int] | None:
        """Return the part of a stretch that lies in the day, or None."""
        first_us, last_us = max(begin_us, self.begin_us), min(end_us, self.end_us)
        if first_us >= last_us:
            return None
        return self.x(first_us), self.x(last_us) - self.x(first_us), first_us, last_us


def _source_of(terms: StoreTerms, day: date) -> HoursSource:
    return terms.hours_on(day)[0]
