"""The answer that explains one store's row of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from uptill_client.timelines import AppliedClosure, Totals


@dataclass(frozen=True)
class ExplainedPoll:
    """A poll, and the import that brought it. What is not known, or not visible to the key, is None."""

    at: datetime
    status: str
    import_id: str | None
    source: str | None
    first_line: int | None
    last_line: int | None
    event: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class ExplainedHours:
    """The hours behind a stretch of time. `kind`: always, weekly, dated, special or calendar. Dates are local."""

    kind: str
    effective_from: str | None
    date: str | None
    calendar: str | None


@dataclass(frozen=True)
class ExplainedSegment:
    """Time in one state, and what makes it so. Of more than two `polls`, the first and the last are shown."""

    begin: datetime
    end: datetime
    begin_local: datetime
    end_local: datetime
    length_us: int
    state: str
    rule: str
    begin_rule: str
    end_rule: str
    poll_count: int
    polls: Sequence[ExplainedPoll]
    hours: Sequence[ExplainedHours]
    closure_id: str | None
    folded: int
    reason: str | None = None


@dataclass(frozen=True)
class ExplainedWindow:
    """One window. `segments` fill it and add up to `totals`. `row` holds the columns of the report, in `unit`.

    `polls_outside_hours`: how many of its polls do not count because the store was closed; 0 from an older service.
    """

    window: str
    begin: datetime
    end: datetime
    unit: str
    row: Mapping[str, float]
    totals: Totals
    segments: Sequence[ExplainedSegment]
    polls_outside_hours: int = 0


@dataclass(frozen=True)
class Explanation:
    """How one store's row of a report comes about. `is_exact` is false if the time zone database differs."""

    report_id: str
    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    as_of: datetime
    data_cut: int
    tzdata_version: str
    is_exact: bool
    closures: Sequence[AppliedClosure]
    windows: Sequence[ExplainedWindow]
    closures_total: int = 0
