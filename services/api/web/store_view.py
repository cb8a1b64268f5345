"""What the page of a store shows: its week, numbers, outages, hours and closures, read through the API's use cases."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from services.api.use_cases.closure_origins import ClosureOrigin
from services.api.use_cases.live import LiveStore
from services.api.use_cases.outage_page import ListedOutage
from services.api.use_cases.store_makers import LastChange
from services.api.use_cases.stores import StoreRow
from services.api.use_cases.timeline import TimelineInput
from services.api.web.figures import WindowNumbers
from services.api.web.hour_grid import HourGrid
from services.api.web.hours_of_week import measure_hours
from services.api.web.periods import ComparedPeriod, compare_periods
from services.api.web.reasons import borders_of, reason_of
from shared.clock import from_us
from shared.outside_words import describe_outside
from shared.pictures.week import DAYS, DayRow, WeekRows
from shared.uptime.bounds import bounds_us
from shared.uptime.explanation import AccountedSegment, explain_window, fold_runs
from shared.uptime.store_terms import StoreTerms
from shared.uptime.timeline import SeenPoll, State, StoreTimeline
from shared.uptime.window import DEFAULT_WINDOWS
from shared.uptime.zones import DEFAULT_TIMEZONE


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
class WeekOutages:
    """The latest outages of the week, the latest first. `sees_newest`: they are seen from the newest poll of any store."""

    listed: Sequence[ListedOutage]
    as_of_us: int
    sees_newest: bool


@dataclass(frozen=True)
class StoreView:
    """One store in one week.

    `recent` reaches back from the newest poll of any store: to the start of the month before if `is_long`, otherwise a week;
    it is None without a poll. `live` is None if there is no live state. `coming` is what adjusts the hours in the next weeks.
    `chosen_us` is the instant whose segment is shown in full, if any. `makers`: who set the hours and the zone.
    """

    week: TimelineInput
    recent: TimelineInput | None
    outages: WeekOutages
    origins: Mapping[str, ClosureOrigin]
    monday: date
    now_us: int
    chosen_us: int | None
    is_long: bool
    live: LiveStore | None
    coming: StoreTerms
    makers: Mapping[str, LastChange] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """What processor time grows with."""
        return self.week.weight + (0 if self.recent is None else self.recent.weight)

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
        return [LedgerEntry(each, reason_of(each, polls, self.zone, given.reasons)) for each in found]

    @cached_property
    def days(self) -> Sequence[DayRow]:
        """The rows of the week."""
        segments = [entry.segment for entry in self.ledger]
        rows = WeekRows(self.week.terms, self.timeline, segments, self.outages.listed, self.now_us)
        return rows.rows(self.monday, self.zone)

    @property
    def down_by_reason(self) -> Sequence[tuple[str, int]]:
        """The downtime of the week by reason, most first; empty if no poll gave one. Time without a reason has no word."""
        sums = Counter[str]()
        for segment in (entry.segment for entry in self.ledger):
            if segment.state is State.DOWN:
                word = self.week.reasons.get(segment.reason, "")
                sums[word] += segment.end.at_us - segment.begin.at_us
        return sums.most_common() if any(sums) else []

    @property
    def outside(self) -> str:
        """That all polls of the week were outside opening hours; empty if one counts, or there is none."""
        week, timeline = self.week.window_us, self.timeline
        polls = 0 if timeline.has_counted else timeline.count_outside(week)
        return describe_outside(polls, week[1] - week[0]) if polls else ""

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
        shown = WindowNumbers.of("week shown", self.timeline.measures, bounds_us=self.week.window_us)
        return [shown, *self._recent_numbers()]

    def _recent_numbers(self) -> Sequence[WindowNumbers]:
        recent = self.recent
        if recent is None:
            return []
        starts_us, ends_us = bounds_us(DEFAULT_WINDOWS, recent.as_of_us, [recent.store.timezone])
        windows_us = list(zip(starts_us[0].tolist(), ends_us[0].tolist(), strict=True))
        measures = recent.measure_windows(windows_us)
        return [
            WindowNumbers.of(window.name, measures, at, windows_us[at])
            for at, window in enumerate(DEFAULT_WINDOWS)
        ]

    @cached_property
    def periods(self) -> Sequence[ComparedPeriod]:
        """The day, the week and the month of the newest poll."""
        if self.recent is None or not self.is_long:
            return []
        return compare_periods(self.recent, self.zone, self.today)

    @property
    def recent_until_us(self) -> int | None:
        """The newest poll of any store, up to which the recent figures go."""
        return None if self.recent is None else self.recent.as_of_us

    @cached_property
    def heat(self) -> HourGrid | None:
        """The hours of the week, over the last four weeks."""
        return measure_hours(self.recent, self.zone) if self.recent is not None and self.is_long else None

    @property
    def today(self) -> date:
        return from_us(self.now_us).astimezone(self.zone).date()

    @property
    def last_day(self) -> date:
        return self.monday + timedelta(days=DAYS - 1)
