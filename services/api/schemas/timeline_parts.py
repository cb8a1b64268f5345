"""Answer bodies for the parts of a timeline: spans, polls, segments and totals."""

from datetime import datetime

from pydantic import BaseModel, Field

from services.api.schemas.stores import Status
from shared.uptime.borders import Rule
from shared.uptime.timeline import State, StoreTimeline


class SpanBody(BaseModel):
    """Opening time without a break, within the window."""

    begin: datetime
    end: datetime


class PollBody(BaseModel):
    """A poll in the timeline."""

    at: datetime
    status: Status
    counts: bool = Field(
        description="Whether it is counted: false if the store was closed, a closure applied, or its reason is excluded."
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
    reason: str | None = Field(
        description="The reason that the poll gave; null if it gave none. Excluded time without a closure is left out for it.",
        examples=["paused_by_store"],
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
    excluded_us: int = Field(description="Opening time that closures or reasons exclude.")
    availability: float | None = Field(
        description="Uptime divided by uptime plus downtime; null if both are 0."
    )


def sum_timeline(timeline: StoreTimeline) -> TotalsBody:
    """Build the figures of a window."""
    measures = timeline.measures
    numbers = {name: int(getattr(measures, name)[0, 0]) for name in measures.__slots__}
    known_us = numbers["up_us"] + numbers["down_us"]
    return TotalsBody(**numbers, availability=numbers["up_us"] / known_us if known_us else None)
