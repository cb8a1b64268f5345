"""The named accounting policies: how polls become up, down and unknown time.

The registry is versioned: any change of the resulting numbers raises POLICY_VERSION. Must not know any data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
# How far before a window its first outage is looked for: weekly hours are never closed for longer than seven days.
LOOKBACK_US: Final = 8 * DAY_US


class Fill(StrEnum):
    """Where the break between two consecutive polls lies."""

    NEAREST = "nearest"  # at the midpoint, floored to a microsecond
    PREVIOUS = "previous"  # at the later poll
    NEXT = "next"  # at the earlier poll


class NoData(StrEnum):
    """What the time that no poll covers becomes in a window."""

    UNKNOWN = "unknown"
    DOWN = "down"
    SCALE = "scale"  # the measured share is applied to all open time


class Edges(StrEnum):
    """What the first and the last poll imply for the time before and after them."""

    # The last poll covers the time to the closing, the first the time from the opening. With fill PREVIOUS the first
    # does so only if the opening is within its horizon.
    EXTEND = "extend"
    DOWN_AFTER_LAST = "down_after_last"  # as EXTEND, but after the last poll the store is down
    NONE = "none"  # nothing is known before the first poll


class Scope(StrEnum):
    """Which polls count."""

    SPAN = "span"  # those taken polls_inside_spans a span, and only for that span
    ALL = "all"  # also those taken while the store is closed


@dataclass(frozen=True, slots=True)
class Policy:
    """One complete set of rules; `slot_us` 0 means no rounding."""

    name: str
    fill: Fill
    horizon_us: int
    no_data: NoData = NoData.UNKNOWN
    slot_us: int = 0
    edges: Edges = Edges.EXTEND
    scope: Scope = Scope.SPAN

    def __post_init__(self) -> None:
        if self.edges is Edges.DOWN_AFTER_LAST and self.no_data is not NoData.DOWN:
            raise ValueError(
                "down_after_last needs no_data = down: the silence after the last poll has no other bound"
            )


POLICY_VERSION: Final = 2
DEFAULT_POLICY: Final = "classic"
POLICIES: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            Policy("classic", Fill.NEAREST, DAY_US),
            Policy("strict", Fill.NEAREST, 2 * HOUR_US),
            Policy("hold", Fill.PREVIOUS, DAY_US),
            Policy("hold-scaled", Fill.PREVIOUS, DAY_US, NoData.SCALE),
            Policy("backfill-1m", Fill.NEXT, DAY_US, NoData.DOWN, MINUTE_US, Edges.DOWN_AFTER_LAST),
            Policy("slots-15m", Fill.PREVIOUS, DAY_US, slot_us=15 * MINUTE_US),
            Policy("carry", Fill.PREVIOUS, 7 * DAY_US, edges=Edges.NONE, scope=Scope.ALL),
        )
    }
)


def reach_us(policy: Policy) -> int:
    """Return the longest gap that two consecutive polls can close: up to one horizon each."""
    return 2 * policy.horizon_us


def certain_us(policy: Policy) -> int:
    """Return the longest gap over which two polls that agree are certain (`up_min`, `up_max`).

    With a midpoint both polls cover the gap. Any other break leaves the whole gap to one of them.
    """
    return (2 if policy.fill is Fill.NEAREST else 1) * policy.horizon_us


def history_us(policy: Policy) -> int:
    """Return how far before the first window's start polls must be fetched; fetching more changes nothing.

    A poll at the start needs its predecessor within reach, and a break may be rounded up by a slot. If polls cover only
    the time after them, a poll older than the horizon no longer matters.
    """
    covers_forward_only = policy.fill is Fill.PREVIOUS and policy.edges is Edges.NONE
    reach = policy.horizon_us if covers_forward_only else reach_us(policy)
    return reach + policy.slot_us


def outage_history_us(policy: Policy) -> int:
    """Return how far before the earliest window polls and spans must reach for its outages."""
    return LOOKBACK_US + history_us(policy)


def later_us(policy: Policy) -> int:
    """Return how far after the last window's end polls can matter: what lies later changes nothing in the windows.

    The last poll before the end and the next one decide, if they are within reach of each other.
    """
    return reach_us(policy) + policy.slot_us


def every_poll_us(policy: Policy) -> int:
    """Return how far before the first window's start every poll is needed. Of a store's older polls the last is enough.

    Nothing between two consecutive polls depends on a third. What two older polls imply ends at the later one, or less
    than a slot after it. If the last one lies in no span, then no poll of a later span came before it.
    """
    return policy.slot_us


def can_add_days(policy: Policy) -> bool:
    """Return whether the days of a longer window add up to it. A policy that scales measures each window as a whole."""
    return policy.no_data is not NoData.SCALE
