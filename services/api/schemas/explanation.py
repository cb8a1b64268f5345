"""Query and answer bodies for the explanation of one store's row of a report."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from services.api.schemas.stores import Status
from services.api.schemas.timeline import TotalsBody, sum_timeline
from services.api.use_cases.explanation import ExplanationInput, PollOrigin, WindowExplanation
from shared.clock import from_us
from shared.uptime.borders import Rule
from shared.uptime.explanation import AccountedSegment, StateRule
from shared.uptime.policy import HOUR_US, MINUTE_US
from shared.uptime.rounding import PER_UNIT, round_times
from shared.uptime.store_terms import HoursKind, HoursSource, StoreClosure
from shared.uptime.timeline import State
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.zones import DEFAULT_TIMEZONE

Treatment = Literal["exclude", "as_up", "ignore"]


class ExplanationQuery(BaseModel):
    """Which windows of the report to explain, and how."""

    model_config = ConfigDict(extra="forbid")

    window: str | None = Field(
        default=None, description="A window of the report, such as `last_day`. Default: all of them."
    )
    fold: bool = Field(
        default=True,
        description="Whether to fold each run of segments that differ in their polls only into one.",
    )


class PollOriginBody(BaseModel):
    """A poll, and the import that brought it. What is not known, or not visible to the key, is null."""

    at: datetime
    status: Status
    import_id: UUID | None
    source: str | None = Field(description="The file, object or call that the import loaded.")
    first_line: int | None = Field(
        description="The first line of the part of the file that held the poll; null unless it came from a file."
    )
    last_line: int | None = Field(description="The last line of that part.")

    @classmethod
    def of_poll(cls, poll: PollOrigin, *, limited: bool) -> Self:
        """Build the answer for a poll. A key that is limited to some stores sees no imports: they hold other stores."""
        names = ("import_id", "source", "first_line", "last_line")
        return cls(
            at=from_us(poll.at_us),
            status="active" if poll.is_active else "inactive",
            **{name: None if limited else getattr(poll, name) for name in names},
        )


class HoursSourceBody(BaseModel):
    """The hours behind a stretch of time."""

    kind: HoursKind = Field(
        description="`always`: none, so open around the clock; `weekly` or `dated` hours; `special` hours of a date; a `calendar`."
    )
    effective_from: date | None = Field(description="From which local date dated hours apply.")
    date_: date | None = Field(alias="date", description="The local date of special hours or of a calendar.")
    calendar: str | None = Field(description="The name of the calendar.")

    @classmethod
    def of_source(cls, source: HoursSource) -> Self:
        """Build the answer for hours."""
        return cls(
            kind=source.kind,
            effective_from=source.effective_from,
            date=source.day,
            calendar=source.calendar,
        )


class ExplainedSegmentBody(BaseModel):
    """Time in one state, and what makes it so."""

    begin: datetime
    end: datetime
    begin_local: datetime = Field(description="`begin` in the store's time zone, with its offset.")
    end_local: datetime
    length_us: int = Field(description="Microseconds from `begin` to `end`.")
    state: State
    rule: StateRule = Field(description="Why the store is in this state.")
    begin_rule: Rule = Field(description="Why the segment begins here.")
    end_rule: Rule = Field(description="Why the segment ends here.")
    poll_count: int = Field(description="How many polls determine the state.")
    polls: list[PollOriginBody] = Field(description="Those polls. Of more than two, the first and the last.")
    hours: list[HoursSourceBody] = Field(
        description="The hours that opened the store, or left it closed, in order."
    )
    closure_id: str | None = Field(
        description="The closure that excludes the time or counts it as up; in `closures`."
    )
    folded: int = Field(description="How many segments are folded into this one; 1 if none are.")


class AppliedClosureBody(BaseModel):
    """A closure that applied to the store. Those with the treatment `ignore` change no number."""

    id: str
    starts_at: datetime
    ends_at: datetime | None
    treatment: Treatment
    reason: str
    note: str

    @classmethod
    def of_closure(cls, closure: StoreClosure) -> Self:
        """Build the answer for a closure."""
        return cls(
            id=closure.id,
            starts_at=from_us(closure.starts_us),
            ends_at=None if closure.ends_us is None else from_us(closure.ends_us),
            treatment=closure.treatment.name.lower(),
            reason=closure.reason,
            note=closure.note,
        )


class ExplainedWindowBody(BaseModel):
    """One window. The segments fill it from `begin` to `end` and add up to the totals."""

    window: str
    begin: datetime
    end: datetime
    unit: Literal["minutes", "hours"] = Field(description="The unit of `row`.")
    row: Mapping[str, float] = Field(
        description="The columns of the report for this window, as the row of the store has them.",
        examples=[{"uptime_last_day": 10.0013, "downtime_last_day": 2.4987}],
    )
    totals: TotalsBody
    segments: list[ExplainedSegmentBody]

    @classmethod
    def of_window(cls, found: WindowExplanation, given: ExplanationInput, *, limited: bool) -> Self:
        """Build the answer for a window."""
        origins = {poll.at_us: PollOriginBody.of_poll(poll, limited=limited) for poll in given.origins}
        zone = ZoneInfo(given.terms.zone or DEFAULT_TIMEZONE)
        begin_us, end_us = found.window_us
        return cls(
            window=found.window.text,
            begin=from_us(begin_us),
            end=from_us(end_us),
            unit="minutes" if found.window.in_minutes else "hours",
            row=_list_cells(found),
            totals=sum_timeline(found.timeline),
            segments=[_show_segment(segment, origins, zone) for segment in found.segments],
        )


class ExplanationBody(BaseModel):
    """How one store's row of a report comes about, from the data that the report was made from."""

    report_id: UUID
    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    as_of: datetime
    data_cut: int = Field(description="The ledger number that the report's data was read at.")
    tzdata_version: str
    is_exact: bool = Field(
        description="False if the report was made with another time zone database, so that the row may differ."
    )
    closures: list[AppliedClosureBody] = Field(description="The closures that the segments name, and notes.")
    windows: list[ExplainedWindowBody]

    @classmethod
    def of_explanation(
        cls, given: ExplanationInput, windows: list[WindowExplanation], *, limited: bool
    ) -> Self:
        """Build the answer."""
        report, first_us = given.report, min(window.window_us[0] for window in windows)
        return cls(
            report_id=report.id,
            store_id=given.store.store_id,
            timezone=given.terms.zone or DEFAULT_TIMEZONE,
            timezone_is_default=given.terms.zone is None,
            policy=report.policy,
            policy_version=report.policy_version,
            as_of=report.as_of,
            data_cut=given.seq,
            tzdata_version=tzdata_version(),
            is_exact=report.tzdata_version == tzdata_version(),
            closures=[
                AppliedClosureBody.of_closure(closure)
                for closure in given.terms.closures
                if closure.ends_us is None or closure.ends_us > first_us
            ],
            windows=[ExplainedWindowBody.of_window(window, given, limited=limited) for window in windows],
        )


def _list_cells(found: WindowExplanation) -> Mapping[str, float]:
    unit_us = MINUTE_US if found.window.in_minutes else HOUR_US
    times = round_times(found.timeline.measures, 0, unit_us)
    return {
        f"{label}_{found.window.name}": float(times[measure][0] / PER_UNIT)
        for label, measure in (("uptime", "up_us"), ("downtime", "down_us"))
    }


def _show_segment(
    segment: AccountedSegment, origins: Mapping[int, PollOriginBody], zone: ZoneInfo
) -> ExplainedSegmentBody:
    polls = [origins[at_us] for at_us in segment.polls_us]
    begin, end = from_us(segment.begin.at_us), from_us(segment.end.at_us)
    return ExplainedSegmentBody(
        begin=begin,
        end=end,
        begin_local=begin.astimezone(zone),
        end_local=end.astimezone(zone),
        length_us=segment.end.at_us - segment.begin.at_us,
        state=segment.state,
        rule=segment.rule,
        begin_rule=segment.begin.rule,
        end_rule=segment.end.rule,
        poll_count=len(polls),
        polls=[polls[0], polls[-1]] if len(polls) > 1 else polls,
        hours=[HoursSourceBody.of_source(source) for source in segment.hours],
        closure_id=None if segment.closure is None else segment.closure.id,
        folded=segment.folded,
    )
