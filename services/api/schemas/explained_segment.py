"""The answer body for one segment of an explanation."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from services.api.schemas.origins import HoursSourceBody, PollOriginBody
from services.api.use_cases.explained_store import PollOrigin
from shared.clock import from_us
from shared.uptime.borders import Rule
from shared.uptime.explanation import AccountedSegment, StateRule
from shared.uptime.notes import NO_REASON
from shared.uptime.timeline import State


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
    reason: str | None = Field(
        description="The reason that these polls gave; null if they gave none. With the rule `reason` it leaves the time out.",
        examples=["paused_by_store"],
    )
    folded: int = Field(description="How many segments are folded into this one; 1 if none are.")


def show_segment(
    segment: AccountedSegment, origins: Mapping[int, PollOrigin], zone: ZoneInfo, *, limited: bool
) -> ExplainedSegmentBody:
    """Build the answer for one segment, with times in the store's zone."""
    polls = [origins[at_us] for at_us in segment.polls_us]
    shown = [polls[0], polls[-1]] if len(polls) > 1 else polls
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
        polls=[PollOriginBody.of_poll(poll, limited=limited) for poll in shown],
        hours=[HoursSourceBody.of_source(source) for source in segment.hours],
        closure_id=None if segment.closure is None else segment.closure.id,
        reason=None if segment.reason == NO_REASON else polls[0].reason,
        folded=segment.folded,
    )
