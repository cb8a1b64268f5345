"""Where the policies differ about one store: the same window under each of them, and the stretches of other states."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

from services.api.use_cases.timeline import TimelineInput
from shared.uptime.policy import POLICIES, history_us
from shared.uptime.timeline import StateSegment, StoreTimeline

MOST_DIFFERENCES = 500


@dataclass(frozen=True)
class PolicyStretch:
    """Opening time about which the policies differ, and the first and last segment that fills it under each policy."""

    begin_us: int
    end_us: int
    first: Mapping[str, StateSegment]
    last: Mapping[str, StateSegment]

    def joins(self, other: Self) -> bool:
        """Whether another stretch follows at once, in which every policy has the same state as in this one."""
        return self.end_us == other.begin_us and all(
            segment.state == other.first[policy].state for policy, segment in self.last.items()
        )


def farthest_policy(policies: Sequence[str]) -> str:
    """Return the policy that needs the oldest polls. What it needs is enough for all of them."""
    return max(policies, key=lambda name: history_us(POLICIES[name]))


def compute_timelines(given: TimelineInput, policies: Sequence[str]) -> Mapping[str, StoreTimeline]:
    """Compute the timeline under each policy, from the same polls."""
    return {policy: replace(given, policy=policy).compute_timeline() for policy in policies}


def find_differences(timelines: Mapping[str, StoreTimeline]) -> list[PolicyStretch]:
    """Return the stretches in which not all policies have the same state, in order."""
    borders = sorted(
        {
            border.at_us
            for timeline in timelines.values()
            for segment in timeline.segments
            for border in (segment.begin, segment.end)
        }
    )
    found: list[PolicyStretch] = []
    for begin_us, end_us in pairwise(borders):
        segments = _segments_at(timelines, begin_us)
        if len({segment.state for segment in segments.values()}) <= 1:
            continue
        stretch = PolicyStretch(begin_us, end_us, segments, segments)
        if found and found[-1].joins(stretch):
            stretch = replace(found.pop(), end_us=end_us, last=segments)
        found.append(stretch)
    return found


def _segments_at(timelines: Mapping[str, StoreTimeline], at_us: int) -> dict[str, StateSegment]:
    """Return the segment of each policy at an instant. Without one, the store is closed."""
    found = {}
    for policy, timeline in timelines.items():
        place = bisect_right(timeline.segments, at_us, key=lambda segment: segment.begin.at_us) - 1
        if place >= 0 and at_us < timeline.segments[place].end.at_us:
            found[policy] = timeline.segments[place]
    return found
