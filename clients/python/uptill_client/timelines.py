"""The answer that explains one store's uptime in one window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict


class TimelineOptions(TypedDict, total=False):
    """What a timeline shows. The service uses its default for an option that is missing or None."""

    # A window as in reports, instead of `begin` and `end` (exclusive).
    window: str | None
    begin: datetime | None
    end: datetime | None
    # Ignore later polls.
    as_of: datetime | None
    # The name of an accounting policy.
    policy: str | None
    # Leave out the time for which polls gave one of these reasons.
    exclude_reasons: Sequence[str] | None


@dataclass(frozen=True)
class TimelineSpan:
    """Opening time without a break, from `begin` to `end` (exclusive)."""

    begin: datetime
    end: datetime


@dataclass(frozen=True)
class TimelinePoll:
    """A poll in a timeline. `counts` is false if the store was closed."""

    at: datetime
    status: str
    counts: bool


@dataclass(frozen=True)
class SegmentClosure:
    """The closure that decides a segment."""

    id: str
    reason: str


@dataclass(frozen=True)
class Segment:
    """Opening time in one state (up, down, unknown, excluded or as_up), with the rules that begin and end it."""

    begin: datetime
    end: datetime
    state: str
    begin_rule: str
    end_rule: str
    poll: datetime | None
    closure: SegmentClosure | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Totals:
    """The figures of a window, in microseconds. `availability` is a share from 0 to 1, None if nothing is known."""

    open_us: int
    up_us: int
    down_us: int
    unknown_us: int
    up_min_us: int
    up_max_us: int
    polls: int
    availability: float | None
    excluded_us: int = 0


@dataclass(frozen=True)
class AppliedClosure:
    """A closure that applied to a store. `store_id` is "*" for every store, and None if `labels` decide."""

    id: str
    starts_at: datetime
    ends_at: datetime | None
    treatment: str
    reason: str
    note: str
    store_id: str | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True)
class DayInterval:
    """An opening interval of a date, in local time."""

    start_time_local: str
    end_time_local: str


@dataclass(frozen=True)
class TimelineDay:
    """A local date with hours of its own. `calendar` is None for the store's special hours."""

    date: str
    calendar: str | None
    intervals: Sequence[DayInterval]


@dataclass(frozen=True)
class Timeline:
    """How the uptime of one store in one window comes about. `segments` cover `spans` and add up to `totals`.

    `closures`: the first of those that the segments name, and notes; `closures_total` counts all of them. `special_days`: the dates with special hours or a calendar's.
    """

    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    tzdata_version: str
    as_of: datetime
    begin: datetime
    end: datetime
    spans: Sequence[TimelineSpan]
    polls: Sequence[TimelinePoll]
    segments: Sequence[Segment]
    totals: Totals
    closures: Sequence[AppliedClosure] = ()
    special_days: Sequence[TimelineDay] = ()
    closures_total: int = 0
