"""The answer that compares policies on one store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uptill_client.timelines import Totals


@dataclass(frozen=True)
class TotalsChange:
    """The figures of a policy minus those of the first one, in microseconds."""

    open_us: int
    up_us: int
    down_us: int
    unknown_us: int


@dataclass(frozen=True)
class PolicyTotals:
    """The figures of the window under one policy."""

    policy: str
    totals: Totals
    change: TotalsChange


@dataclass(frozen=True)
class PolicyState:
    """What one policy makes of a stretch, with the rules that begin and end its segments there."""

    policy: str
    state: str
    begin_rule: str
    end_rule: str
    poll: datetime | None


@dataclass(frozen=True)
class PolicyDifference:
    """Opening time about which the policies differ, from `begin` to `end` (exclusive)."""

    begin: datetime
    end: datetime
    length_us: int
    states: Sequence[PolicyState]


@dataclass(frozen=True)
class StorePolicies:
    """One store in one window under several policies. `differences` has the first of `differences_total` stretches."""

    store_id: str
    timezone: str
    policy_version: int
    tzdata_version: str
    as_of: datetime
    begin: datetime
    end: datetime
    policies: Sequence[PolicyTotals]
    differences: Sequence[PolicyDifference]
    differences_total: int
