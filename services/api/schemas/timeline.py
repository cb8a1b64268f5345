"""The answer body for a timeline."""

from collections.abc import Iterable
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from services.api.schemas.applied_closure import MOST_CLOSURES, AppliedClosureBody, list_closures
from services.api.schemas.timeline_days import TimelineDayBody, list_special_days
from services.api.schemas.timeline_parts import (
    PollBody,
    SegmentBody,
    SegmentClosureBody,
    SpanBody,
    TotalsBody,
    sum_timeline,
)
from services.api.use_cases.timeline import TimelineInput
from shared.clock import from_us
from shared.uptime.policy import POLICY_VERSION
from shared.uptime.timeline import StoreTimeline
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.zones import DEFAULT_TIMEZONE


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
    spans: Iterable[SpanBody] = Field(description="When the store was open, in order.")
    polls: Iterable[PollBody] = Field(description="The polls that can affect the window, in order.")
    segments: Iterable[SegmentBody] = Field(description="The opening time by state, in order.")
    totals: TotalsBody
    closures: list[AppliedClosureBody] = Field(
        description=f"The first {MOST_CLOSURES:,} closures that the segments name, and notes."
    )
    closures_total: int = Field(description="How many closures there are.")
    special_days: list[TimelineDayBody] = Field(
        description="The dates of the window with special hours, or with hours of a calendar."
    )

    @classmethod
    def of_timeline(cls, given: TimelineInput, timeline: StoreTimeline) -> Self:
        """Build the answer for a timeline. It can be encoded once: its parts are built meanwhile, as they take ten times its size."""
        start_us, end_us = given.window_us
        zone = ZoneInfo(given.terms.zone or DEFAULT_TIMEZONE)
        closures = [
            closure
            for closure in given.terms.closures
            if closure.starts_us < end_us and (closure.ends_us is None or closure.ends_us > start_us)
        ]
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
            spans=(SpanBody(begin=from_us(begin), end=from_us(end)) for begin, end in timeline.spans),
            polls=(
                PollBody(
                    at=from_us(poll.at_us),
                    status="active" if poll.active else "inactive",
                    counts=poll.counts,
                )
                for poll in timeline.polls
            ),
            segments=(
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
                    reason=given.reasons.get(segment.reason),
                )
                for segment in timeline.segments
            ),
            totals=sum_timeline(timeline),
            closures=list_closures(closures, given.store.store_id),
            closures_total=len(closures),
            special_days=list_special_days(
                given.terms, from_us(start_us).astimezone(zone), from_us(end_us - 1).astimezone(zone)
            ),
        )
