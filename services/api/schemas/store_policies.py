"""The answer body for the policies side by side."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field

from services.api.schemas.parameters import KnownPolicy
from services.api.schemas.timeline_parts import TotalsBody, sum_timeline
from services.api.schemas.timeline_query import RangeQuery
from services.api.use_cases.policy_differences import (
    MOST_DIFFERENCES,
    PolicyStretch,
    compute_timelines,
    farthest_policy,
    find_differences,
)
from services.api.use_cases.timeline import TimelineInput, TimelineRequest
from shared.clock import from_us
from shared.uptime.borders import Rule
from shared.uptime.policy import POLICIES, POLICY_VERSION
from shared.uptime.timeline import State, StoreTimeline
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.zones import DEFAULT_TIMEZONE


def _without_repetition(policies: list[str]) -> list[str]:
    if len(set(policies)) < len(policies):
        raise ValueError("a policy is given twice: give each policy once")
    return policies


class StorePoliciesQuery(RangeQuery):
    """The policies to compare, and the time."""

    policy: Annotated[list[KnownPolicy], AfterValidator(_without_repetition)] = Field(
        default=["classic", "hold"],
        min_length=2,
        max_length=len(POLICIES),
        description=f"Repeat it, 2 to {len(POLICIES)} times: {', '.join(POLICIES)}. Changes are against the first one.",
    )

    def to_request(self) -> TimelineRequest:
        """Return the query as a value, for the policy that needs the oldest polls."""
        return TimelineRequest(
            farthest_policy(self.policy), self.window, self.from_time, self.to_time, self.as_of
        )


class TotalsChangeBody(BaseModel):
    """The figures of a policy minus those of the first one, in microseconds."""

    open_us: int
    up_us: int
    down_us: int
    unknown_us: int


class PolicyTotalsBody(BaseModel):
    """The figures of the window under one policy."""

    policy: str
    totals: TotalsBody
    change: TotalsChangeBody


class PolicyStateBody(BaseModel):
    """What one policy makes of a stretch."""

    policy: str
    state: State
    begin_rule: Rule = Field(description="Why its segment at the start of the stretch begins where it does.")
    end_rule: Rule = Field(description="Why its segment at the end of the stretch ends where it does.")
    poll: datetime | None = Field(description="The poll that determines the state; null if none does.")


class PolicyDifferenceBody(BaseModel):
    """Opening time about which the policies differ."""

    begin: datetime
    end: datetime
    length_us: int = Field(description="Microseconds from `begin` to `end`.")
    states: list[PolicyStateBody] = Field(description="One per policy, in the order of the request.")


class StorePoliciesBody(BaseModel):
    """One store in one window under several policies.

    With policy `hold-scaled`, the differences show what was measured, and the totals apply the measured share to all
    opening time.
    """

    store_id: str
    timezone: str
    policy_version: int
    tzdata_version: str
    as_of: datetime = Field(description="Polls after this instant are ignored.")
    begin: datetime = Field(description="Start of the window (inclusive).")
    end: datetime = Field(description="End of the window (exclusive).")
    policies: list[PolicyTotalsBody] = Field(description="In the order of the request.")
    differences: list[PolicyDifferenceBody] = Field(
        description=f"The first {MOST_DIFFERENCES} stretches about which the policies differ, in order."
    )
    differences_total: int = Field(description="How many there are.")

    @classmethod
    def of_input(cls, given: TimelineInput, policies: list[str]) -> Self:
        """Compute the answer. It takes milliseconds of processor time per policy and no I/O."""
        timelines = compute_timelines(given, policies)
        differences = find_differences(timelines)
        return cls(
            store_id=given.store.store_id,
            timezone=given.store.timezone or DEFAULT_TIMEZONE,
            policy_version=POLICY_VERSION,
            tzdata_version=tzdata_version(),
            as_of=from_us(given.as_of_us),
            begin=from_us(given.window_us[0]),
            end=from_us(given.window_us[1]),
            policies=_compare_totals(timelines),
            differences=[_show_difference(each) for each in differences[:MOST_DIFFERENCES]],
            differences_total=len(differences),
        )


def _compare_totals(timelines: Mapping[str, StoreTimeline]) -> list[PolicyTotalsBody]:
    totals = {policy: sum_timeline(timeline) for policy, timeline in timelines.items()}
    first = next(iter(totals.values()))
    return [
        PolicyTotalsBody(
            policy=policy,
            totals=each,
            change=TotalsChangeBody(
                **{name: getattr(each, name) - getattr(first, name) for name in TotalsChangeBody.model_fields}
            ),
        )
        for policy, each in totals.items()
    ]


def _show_difference(stretch: PolicyStretch) -> PolicyDifferenceBody:
    return PolicyDifferenceBody(
        begin=from_us(stretch.begin_us),
        end=from_us(stretch.end_us),
        length_us=stretch.end_us - stretch.begin_us,
        states=[
            PolicyStateBody(
                policy=policy,
                state=segment.state,
                begin_rule=segment.begin.rule,
                end_rule=stretch.last[policy].end.rule,
                poll=None if segment.poll_us is None else from_us(segment.poll_us),
            )
            for policy, segment in stretch.first.items()
        ],
    )
