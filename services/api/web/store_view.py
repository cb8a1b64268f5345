"""What the page of a store shows: its week, numbers, outages, hours and closures, read through the API's use cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from services.api.use_cases.closure_origins import ClosureOrigin
from services.api.use_cases.outage_page import ListedOutage
from services.api.use_cases.stores import StoreRow
from services.api.use_cases.timeline import TimelineInput
from services.api.web.reasons import borders_of, reason_of
from services.api.web.week import DAYS, DayRow, WeekRows
from shared.uptime.bounds import bounds_us
from shared.uptime.explanation import AccountedSegment, explain_window, fold_runs
from shared.uptime.kernel import Measures
from shared.uptime.timeline import SeenPoll, StoreTimeline
from shared.uptime.window import DEFAULT_WINDOWS
from shared.uptime.zones import DEFAULT_TIMEZONE


@dataclass(frozen=True)
class WindowNumbers:
    """The figures of one window, in microseconds."""

    name: str
    open_us: int
    up_us: int
    down_us: int
    unknown_us: int
    excluded_us: int
    up_min_us: int
    up_max_us: int

    @classmethod
    def of(cls, name: str, measures: Measures, window: int = 0) -> "WindowNumbers":
        """Return the figures of store 0 in one window."""
        names = ("open_us", "up_us", "down_us", "unknown_us", "excluded_us", "up_min_us", "up_max_us")
        return cls(name, *(int(getattr(measures, each)[0, window]) for each in names))


@dataclass(frozen=True)
class LedgerEntry:
    """A segment with the reason for its state."""

    segment: AccountedSegment
    reason: str

    @property
    def borders(self) -> str:
        """Where the segment begins and ends."""
        return borders_of(self.segment)


@dataclass(frozen=True)
class StoreView:
    """One store in one week. `recent` reaches back a week from the newest poll of any store; None without one.

    `chosen_us` is the instant whose segment is shown in full, if any.
    """

    week: TimelineInput
    recent: TimelineInput | None
    outages: Sequence[ListedOutage]
    origins: Mapping[str, ClosureOrigin]
    monday: date
    now_us: int
    chosen_us: int | None

    @property
    def store(self) -> StoreRow:
        return self.week.store

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose local time the page shows."""
        return ZoneInfo(self.week.terms.zone or DEFAULT_TIMEZONE)

    @cached_property
    def timeline(self) -> StoreTimeline:
        """The accounting of the week."""
        return self.week.compute_timeline()

    @cached_property
    def ledger(self) -> Sequence[LedgerEntry]:
        """Every segment of the week up to as_of."""
        polls: Mapping[int, SeenPoll] = {poll.at_us: poll for poll in self.timeline.polls}
        given = self.week
        found = fold_runs(explain_window(given.terms, self.timeline, given.window_us, given.as_of_us))
        return [LedgerEntry(each, reason_of(each, polls, self.zone)) for each in found]

    @cached_property
    def days(self) -> Sequence[DayRow]:
        """The rows of the week."""
        segments = [entry.segment for entry in self.ledger]
        rows = WeekRows(self.week, self.timeline, segments, self.outages, self.now_us)
        return rows.rows(self.monday, self.zone)

    @property
    def chosen(self) -> LedgerEntry | None:
        """The segment that holds `chosen_us`."""
        at_us = self.chosen_us
        if at_us is None:
            return None
        found = (each for each in self.ledger if each.segment.begin.at_us <= at_us < each.segment.end.at_us)
        return next(found, None)

    @property
    def numbers(self) -> Sequence[WindowNumbers]:
        """The figures of the week shown, and of the windows up to the newest poll."""
        shown = WindowNumbers.of("week shown", self.timeline.measures)
        return [shown, *self._recent_numbers()]

    def _recent_numbers(self) -> Sequence[WindowNumbers]:
        recent = self.recent
        if recent is None:
            return []
        starts_us, ends_us = bounds_us(DEFAULT_WINDOWS, recent.as_of_us, [recent.store.timezone])
        measures = recent.measure_windows(list(zip(starts_us[0].tolist(), ends_us[0].tolist(), strict=True)))
        return [WindowNumbers.of(window.name, measures, at) for at, window in enumerate(DEFAULT_WINDOWS)]

    @property
    def last_day(self) -> date:
        return self.monday + timedelta(days=DAYS - 1)
