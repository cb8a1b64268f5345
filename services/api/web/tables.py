"""The tables of a store's page: outages, hours, special days and closures, as texts in its local time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from services.api.use_cases.closure_origins import ClosureOrigin
from services.api.use_cases.outage_page import ListedOutage
from services.api.web.store_view import StoreView
from services.api.web.words import utc
from shared.clock import to_us
from shared.pictures.words import NO_VALUE, length, moment, short_moment
from shared.uptime.store_terms import HoursVersion, StoreClosure
from shared.uptime.zones import DAY_S

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class OutageLine:
    """An outage. `at_us` lies in its first segment."""

    at_us: int
    began: str
    began_between: Sequence[str]
    ended: str
    ended_between: Sequence[str]
    down: str
    polls: int
    reasons: str


@dataclass(frozen=True)
class ClosureLine:
    """A closure, and who declared it: empty if the key may not see that."""

    treatment: str
    reason: str
    note: str
    begins: str
    ends: str
    stores: str
    declared: str


MOST_CLOSURES: Final = 100  # in one list


@dataclass(frozen=True)
class SpecialLine:
    """A date with hours of its own."""

    day: date
    hours: str
    calendar: str | None


@dataclass(frozen=True)
class StoreTables:
    """The tables of a view."""

    view: StoreView

    @property
    def outages(self) -> Sequence[OutageLine]:
        """The outages of the week, latest first."""
        outages, zone = self.view.outages, self.view.zone
        seen = "at the newest poll" if outages.sees_newest else f"by {moment(outages.as_of_us, zone)}"
        return [_describe_outage(outage, zone, f"not over {seen}") for outage in outages.listed]

    @property
    def hours(self) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
        """Each version of the weekly hours: from when it holds, and the hours of each weekday."""
        versions = self.view.week.terms.versions
        first = min((each.effective_from for each in versions if each.effective_from), default=None)
        has_undated = any(each.effective_from is None for each in versions)
        return [
            (name_version(each, first, has_undated=has_undated), _describe_week(each)) for each in versions
        ]

    @property
    def special(self) -> Sequence[SpecialLine]:
        """The dates of the week with hours of their own."""
        first, last = self.view.monday - timedelta(days=1), self.view.last_day
        return [
            SpecialLine(day, join_intervals(special.intervals), special.calendar)
            for day, special in sorted(self.view.week.terms.special.items())
            if first <= day <= last
        ]

    @property
    def coming_days(self) -> Sequence[SpecialLine]:
        """The dates of the next weeks with hours of their own."""
        return [
            SpecialLine(day, join_intervals(special.intervals), special.calendar)
            for day, special in sorted(self.view.coming.special.items())
            if day >= self.view.today
        ]

    @property
    def coming_closures(self) -> Sequence[ClosureLine]:
        """The first closures of the next weeks, and those of now."""
        found = (
            each
            for each in self.view.coming.closures
            if each.ends_us is None or each.ends_us > self.view.now_us
        )
        return [
            _describe_closure(each, self.view.origins.get(each.id), self.view.zone)
            for each in islice(found, MOST_CLOSURES)
        ]

    @property
    def closures(self) -> Sequence[ClosureLine]:
        """The first closures that touch the week."""
        start_us, end_us = self.view.week.window_us
        found = (
            each
            for each in self.view.week.terms.closures
            if each.starts_us < end_us and (each.ends_us is None or each.ends_us > start_us)
        )
        return [
            _describe_closure(each, self.view.origins.get(each.id), self.view.zone)
            for each in islice(found, MOST_CLOSURES)
        ]


def join_intervals(intervals: Sequence[tuple[int, int]]) -> str:
    """Return opening intervals as `10:00 to 21:00, …`; `closed` if there are none."""
    return ", ".join(f"{_time(opens)} to {_time(closes)}" for opens, closes in intervals) or "closed"


def _time(second: int) -> str:
    if second == DAY_S:
        return "24:00"
    second %= DAY_S
    seconds = f":{second % 60:02}" if second % 60 else ""
    return f"{second // 3600:02}:{second // 60 % 60:02}{seconds}"


def name_version(version: HoursVersion, first: date | None, *, has_undated: bool) -> str:
    """Say when weekly hours hold. `first`: the earliest date of a version. Before it, the undated ones hold, or its own."""
    if version.effective_from is None:
        return "always" if first is None else f"before {first}"
    is_earliest = version.effective_from == first and not has_undated
    return f"from {version.effective_from}, and before" if is_earliest else f"from {version.effective_from}"


def _describe_week(version: HoursVersion) -> Sequence[tuple[str, str]]:
    if not version.rows:
        return [("every day", "open around the clock")]
    return [
        (name, join_intervals([(opens, closes) for at, opens, closes in version.rows if at == number]))
        for number, name in enumerate(WEEKDAYS)
    ]


def _describe_outage(outage: ListedOutage, zone: ZoneInfo, ongoing: str) -> OutageLine:
    return OutageLine(
        to_us(outage.started_at),
        _moment(outage.started_at, zone),
        _between(outage.last_up_poll_at, outage.first_down_poll_at, zone),
        _moment(outage.ended_at, zone) if outage.ended_at else ongoing,
        _between(outage.last_down_poll_at, outage.first_up_poll_at, zone),
        length(outage.down_us),
        outage.polls,
        ", ".join(outage.reasons),
    )


def _between(first: datetime | None, last: datetime | None, zone: ZoneInfo) -> Sequence[str]:
    """Say which two polls bound an instant. A dash where there is none."""
    if first is None and last is None:
        return [NO_VALUE]
    return [_moment(first, zone), _moment(last, zone)]


def _moment(instant: datetime | None, zone: ZoneInfo) -> str:
    return "no poll" if instant is None else short_moment(to_us(instant), zone)


def _describe_closure(closure: StoreClosure, origin: ClosureOrigin | None, zone: ZoneInfo) -> ClosureLine:
    declared = ""
    if origin is not None:
        who = f"the key {origin.key_name}" if origin.key_name else "a command"
        declared = f"{who}, {utc(origin.committed_at)} UTC ({origin.source})"
    return ClosureLine(
        closure.treatment.name.lower().replace("_", " "),
        closure.reason,
        closure.note,
        moment(closure.starts_us, zone),
        "no end" if closure.ends_us is None else moment(closure.ends_us, zone),
        _name_stores(closure),
        declared,
    )


def _name_stores(closure: StoreClosure) -> str:
    if closure.labels is None:
        return "this store"
    return ", ".join(f"{name}={value}" for name, value in closure.labels.items()) or "every store"
