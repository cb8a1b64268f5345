"""What the page of one store shows, computed from its polls at the report's cut. Must not know the layout."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from services.worker.printed.figures import Figures
from services.worker.printed.read import StoreAtRead
from shared.clock import from_us
from shared.pictures.week import DayRow, WeekRows, midnight_us
from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.bounds import bounds_us
from shared.uptime.explanation import explain_window, fold_runs
from shared.uptime.kernel import measure
from shared.uptime.outages import NO_INSTANT, End, Outages, outages_of
from shared.uptime.policy import Policy, history_us, outage_history_us
from shared.uptime.store_terms import StoreClosure
from shared.uptime.timeline import timeline_of
from shared.uptime.window import Window
from shared.uptime.zones import DEFAULT_TIMEZONE

MOST_DAYS: Final = 35  # rows that fit on a page
# Measured: 200 pages with 8 days each take 410 MB to typeset, with 35 days each 850 MB.
_MOST_ROWS: Final = 1600
_FEWEST_DAYS: Final = 8


@dataclass(frozen=True)
class SheetTerms:
    """What all pages of a report share. `main` is the window whose days and outages a page shows, at most `most_days`."""

    windows: Sequence[Window]
    main: int
    as_of_us: int
    policy: Policy
    most_days: int = MOST_DAYS

    @classmethod
    def of(cls, windows: Sequence[Window], as_of_us: int, policy: Policy) -> "SheetTerms":
        """Choose the longest window that is not one before another."""
        reach = [0 if window.is_before else window.reach_us for window in windows]
        return cls(windows, reach.index(max(reach)), as_of_us, policy)

    def for_stores(self, stores: int) -> "SheetTerms":
        """Return the terms for this many pages: more pages show fewer days each."""
        return replace(self, most_days=max(_FEWEST_DAYS, min(MOST_DAYS, _MOST_ROWS // max(1, stores))))

    def range_us(self) -> tuple[int, int]:
        """Return the range of polls that the pages need, in any time zone."""
        reach_us = max(window.reach_from_us(self.as_of_us) for window in self.windows)
        return self.as_of_us - reach_us - outage_history_us(self.policy), self.as_of_us


@dataclass(frozen=True)
class SheetOutage:
    """An outage of the main window. An instant of None does not exist."""

    started_at: datetime
    ended_at: datetime | None
    end: End
    down_us: int
    last_up_poll_at: datetime | None
    first_down_poll_at: datetime | None
    last_down_poll_at: datetime | None
    first_up_poll_at: datetime | None


@dataclass(frozen=True)
class StoreSheet:
    """One store: its figures in each window, and the days, outages and closures of the main one."""

    windows_us: Sequence[tuple[int, int]]
    figures: Sequence[Figures]
    days: Sequence[DayRow]
    days_left_out: int
    outages: Sequence[SheetOutage]
    closures: Sequence[StoreClosure]
    zone: ZoneInfo


def compute_sheet(given: StoreAtRead, terms: SheetTerms) -> StoreSheet:
    """Run the accounting for one store. It takes milliseconds of processor time and no I/O."""
    zone = ZoneInfo(given.terms.zone or DEFAULT_TIMEZONE)
    starts_us, ends_us = bounds_us(terms.windows, terms.as_of_us, [given.terms.zone])
    windows_us = list(zip(starts_us[0].tolist(), ends_us[0].tolist(), strict=True))
    main_us = windows_us[terms.main]
    outages = _find_outages(given, terms, main_us)
    first, days = _choose_days(main_us, zone, terms.most_days)
    shown_us = max(main_us[0], midnight_us(first, zone)), main_us[1]
    return StoreSheet(
        windows_us,
        _measure(given, terms, windows_us),
        _draw_days(given, terms, shown_us, outages).rows(first, zone, days),
        max(0, (first - from_us(main_us[0]).astimezone(zone).date()).days),
        outages,
        [one for one in given.terms.closures if _meets(one, main_us)],
        zone,
    )


def _choose_days(window_us: tuple[int, int], zone: ZoneInfo, most: int) -> tuple[date, int]:
    """Return the first local date to draw, and how many: the latest ones of a long window."""
    start_us, end_us = window_us
    first = from_us(start_us).astimezone(zone).date()
    last = from_us(max(start_us, end_us - 1)).astimezone(zone).date()
    first = max(first, last - timedelta(days=most - 1))
    return first, (last - first).days + 1


def _measure(
    given: StoreAtRead, terms: SheetTerms, windows_us: Sequence[tuple[int, int]]
) -> Sequence[Figures]:
    bounds = np.array(windows_us, dtype=np.int64).T[:, np.newaxis]
    first_us = int(bounds[0].min()) - history_us(terms.policy)
    schedule = adjusted_schedule(
        [given.terms.zone], given.terms.hours, given.terms.adjustments, first_us, terms.as_of_us
    )
    found = measure(schedule, given.polls, terms.as_of_us, (bounds[0], bounds[1]), terms.policy)
    columns = (found.up_us, found.down_us, found.open_us, found.unknown_us, found.excluded_us)
    return [Figures(*row) for row in zip(*(column[0].tolist() for column in columns), strict=True)]


def _draw_days(
    given: StoreAtRead, terms: SheetTerms, shown_us: tuple[int, int], outages: Sequence[SheetOutage]
) -> WeekRows:
    timeline = timeline_of(given.terms, given.polls, terms.as_of_us, shown_us, terms.policy)
    segments = fold_runs(explain_window(given.terms, timeline, shown_us, terms.as_of_us))
    return WeekRows(given.terms, timeline, segments, outages, None)


def _find_outages(given: StoreAtRead, terms: SheetTerms, main_us: tuple[int, int]) -> list[SheetOutage]:
    first_us = main_us[0] - outage_history_us(terms.policy)
    schedule = adjusted_schedule(
        [given.terms.zone], given.terms.hours, given.terms.adjustments, first_us, terms.as_of_us
    )
    starts_us, ends_us = (np.array([at_us]) for at_us in main_us)
    found = outages_of(schedule, given.polls, terms.as_of_us, (starts_us, ends_us), terms.policy)
    return list(_list_outages(found))


def _list_outages(found: Outages) -> Sequence[SheetOutage]:
    polls = ("last_up_poll_us", "first_down_poll_us", "last_down_poll_us", "first_up_poll_us")
    names = ("started_us", "ended_us", "end", "down_us", *polls)
    columns = (getattr(found, name).tolist() for name in names)
    return [
        SheetOutage(from_us(started_us), _instant(ended_us), End(end), down_us, *map(_instant, polls_us))
        for started_us, ended_us, end, down_us, *polls_us in zip(*columns, strict=True)
    ]


def _instant(at_us: int) -> datetime | None:
    return None if at_us == NO_INSTANT else from_us(at_us)


def _meets(closure: StoreClosure, window_us: tuple[int, int]) -> bool:
    is_over = closure.ends_us is not None and closure.ends_us <= window_us[0]
    return closure.starts_us < window_us[1] and not is_over
