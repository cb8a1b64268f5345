"""Query and answer bodies for timelines."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from services.api.schemas.parameters import Instant, KnownPolicy
from services.api.schemas.stores import Status
from services.api.use_cases.timeline import TimelineInput, TimelineRequest
from shared.clock import from_us
from shared.uptime.borders import Rule
from shared.uptime.policy import DEFAULT_POLICY, POLICIES, POLICY_VERSION
from shared.uptime.timeline import State, StoreTimeline
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.window import Window, parse_window
from shared.uptime.zones import DEFAULT_TIMEZONE

# A text in the query, a parsed window in Python.
WindowText = Annotated[
    Window,
    PlainValidator(parse_window, json_schema_input_type=str),
    PlainSerializer(lambda window: window.text, return_type=str),
]


class TimelineQuery(BaseModel):
    """The time to explain: a `window`, or `from` and `to`. Default: the last day before the newest poll."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_time: Instant | None = Field(
        default=None, alias="from", description="Start (inclusive). Default: 24 hours before `to`."
    )
    to_time: Instant | None = Field(
        default=None, alias="to", description="End (exclusive). Default: `as_of`."
    )
    window: WindowText | None = Field(
        default=None,
        description="A window as in reports, such as `last_week`, `PT6H` or `previous_day`, instead of `from` and `to`.",
    )
    as_of: Instant | None = Field(
        default=None, description="Ignore later polls. Default: `to`, or the newest poll of any store."
    )
    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(POLICIES)}.",
    )

    def to_request(self) -> TimelineRequest:
        """Return the query as a value."""
        return TimelineRequest(self.policy, self.window, self.from_time, self.to_time, self.as_of)


class SpanBody(BaseModel):
    """Opening time without a break, within the window."""

    begin: datetime
    end: datetime


class PollBody(BaseModel):
    """A poll in the timeline."""

    at: datetime
    status: Status
    counts: bool = Field(
        description="Whether it affects the result: false if the store was closed, or a closure applied."
    )


class SegmentClosureBody(BaseModel):
    """The closure that decides a segment."""

    id: str
    reason: str


class SegmentBody(BaseModel):
    """Opening time in one state."""

    begin: datetime
    end: datetime
    state: State
    begin_rule: Rule = Field(description="Why the segment begins here.")
    end_rule: Rule = Field(description="Why the segment ends here.")
    poll: datetime | None = Field(description="The poll that determines the state; null if none does.")
    closure: SegmentClosureBody | None = Field(
        description="The closure that excludes the time or counts it as up; null otherwise."
    )


class TotalsBody(BaseModel):
    """The figures that a report has for the window, in microseconds."""

    open_us: int = Field(description="Opening time, without excluded time.")
    up_us: int = Field(description="Uptime.")
    down_us: int = Field(description="Downtime.")
    unknown_us: int = Field(description="Opening time that no poll covers.")
    up_min_us: int = Field(description="Lower bound of the uptime.")
    up_max_us: int = Field(description="Upper bound of the uptime.")
    polls: int = Field(description="Polls that count.")
    excluded_us: int = Field(description="Opening time that closures exclude.")
    availability: float | None = Field(
        description="Uptime divided by uptime plus downtime; null if both are 0."
    )


class TimelineBody(BaseModel):
    """How the uptime of one store in one window comes about.

    The segments cover the spans and add up to the totals: time of state `as_up` counts as uptime. With policy `hold-scaled`, the segments show what was measured,
    and the totals apply the measured share to all opening time.
    """

    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    tzdata_version: str
    as_of: datetime = Field(description="Polls after this instant are ignored.")
    begin: datetime = Field(description="Start of the window (inclusive).")
    end: datetime = Field(description="End of the window (exclusive).")
    spans: list[SpanBody] = Field(description="When the store was open, in order.")
    polls: list[PollBody] = Field(description="The polls that can affect the window, in order.")
    segments: list[SegmentBody] = Field(description="The opening time by state, in order.")
    totals: TotalsBody

    @classmethod
    def of_timeline(cls, given: TimelineInput, timeline: StoreTimeline) -> Self:
        """Build the answer for a timeline."""
        start_us, end_us = given.window_us
        return cls(
            store_id=given.store.store_id,
            timezone=given.store.timezone or DEFAULT_TIMEZONE,
            timezone_is_default=given.store.timezone is None,
            policy=given.policy,
            policy_version=POLICY_VERSION,
            tzdata_version=tzdata_version(),
            as_of=from_us(given.as_of_us),
            begin=from_us(start_us),
            end=from_us(end_us),
            spans=[SpanBody(begin=from_us(begin), end=from_us(end)) for begin, end in timeline.spans],
            polls=[
                PollBody(
                    at=from_us(poll.at_us),
                    status="active" if poll.active else "inactive",
                    counts=poll.counts,
                )
                for poll in timeline.polls
            ],
            segments=[
                SegmentBody(
                    begin=from_us(segment.begin.at_us),
                    end=from_us(segment.end.at_us),
                    state=segment.state,
                    begin_rule=segment.begin.rule,
                    end_rule=segment.end.rule,
                    poll=None if segment.poll_us is None else from_us(segment.poll_us),
                    closure=None
                    if segment.closure is None
                    else SegmentClosureBody(id=segment.closure.id, reason=segment.closure.reason),
                )
                for segment in timeline.segments
            ],
            totals=sum_timeline(timeline),
        )


def sum_timeline(timeline: StoreTimeline) -> TotalsBody:
    """Build the figures of a window."""
    measures = timeline.measures
    numbers = {name: int(getattr(measures, name)[0, 0]) for name in measures.__slots__}
    known_us = numbers["up_us"] + numbers["down_us"]
    return TotalsBody(**numbers, availability=numbers["up_us"] / known_us if known_us else None)
