"""The terms of a service level: which stores, which target, what counts as what. Profiles give what is not chosen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from shared.errors import InvalidRequest
from shared.texts import quoted
from shared.uptime.level_period import LevelPeriod
from shared.uptime.policy import DEFAULT_POLICY, HOUR_US, POLICIES, can_add_days
from shared.uptime.service_level import PPM, CountingRule, ExcludedTime, UnknownTime

ProfileName = Literal["plain", "constant-denominator", "unknown-as-up"]
MAX_CAPS: Final = 20
MAX_CAP_HOURS: Final = 8_784
MAX_REASON: Final = 100
NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"
DAILY_POLICIES: Final = tuple(name for name, policy in POLICIES.items() if can_add_days(policy))


class Profile(NamedTuple):
    """What a level counts unless it says otherwise."""

    period: LevelPeriod
    unknown: UnknownTime
    excluded: ExcludedTime


PROFILES: Final[Mapping[ProfileName, Profile]] = MappingProxyType(
    {
        "plain": Profile(LevelPeriod.CALENDAR_MONTH, UnknownTime.LEFT_OUT, ExcludedTime.LEFT_OUT),
        "constant-denominator": Profile(LevelPeriod.LAST_12_MONTHS, UnknownTime.DOWN, ExcludedTime.UP),
        "unknown-as-up": Profile(LevelPeriod.CALENDAR_MONTH, UnknownTime.UP, ExcludedTime.LEFT_OUT),
    }
)


@dataclass(frozen=True)
class LevelTerms:
    """What a service level promises, and how it is counted. `caps` has hours for each reason. Raises `InvalidRequest`."""

    target: float
    labels: Mapping[str, str] = field(default_factory=dict)
    profile: ProfileName = "plain"
    period: LevelPeriod = LevelPeriod.CALENDAR_MONTH
    policy: str = DEFAULT_POLICY
    unknown: UnknownTime = UnknownTime.LEFT_OUT
    excluded: ExcludedTime = ExcludedTime.LEFT_OUT
    caps: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.target <= 1 or not 0 < self.target_ppm <= PPM:
            raise InvalidRequest(
                f"target {self.target} is out of range: use a share above 0 and up to 1, such as 0.97",
                field="body.target",
            )
        if self.policy not in DAILY_POLICIES:
            raise InvalidRequest(
                f"policy {quoted(self.policy)} does not measure days that add up: use one of {', '.join(DAILY_POLICIES)}",
                field="body.policy",
            )
        if len(self.caps) > MAX_CAPS:
            raise InvalidRequest(
                f"{len(self.caps)} caps are too many: use at most {MAX_CAPS}", field="body.caps"
            )
        for reason, hours in self.caps.items():
            if not 0 <= hours <= MAX_CAP_HOURS or not 1 <= len(reason) <= MAX_REASON or "\0" in reason:
                raise InvalidRequest(
                    f"invalid cap {quoted(reason)}: {hours}: use the reason of a closure, and 0 to {MAX_CAP_HOURS:,} hours",
                    field="body.caps",
                )

    @property
    def target_ppm(self) -> int:
        """The target in parts per million."""
        return round(self.target * PPM)

    @property
    def capped_reasons(self) -> tuple[str, ...]:
        """The reasons with a cap, in the order in which time that several closures cover is given to one of them."""
        return tuple(sorted(self.caps))

    @property
    def rule(self) -> CountingRule:
        """The rule for the accounting, with the caps in the order of `capped_reasons`."""
        caps_us = [round(self.caps[reason] * HOUR_US) for reason in self.capped_reasons]
        return CountingRule(self.unknown, self.excluded, caps_us)


def check_level_name(name: str) -> str:
    """Return the name of a level. Raises `InvalidRequest` if it is malformed."""
    if not re.fullmatch(NAME, name):
        raise InvalidRequest(
            f"invalid name {quoted(name)}: use 1 to 63 lower-case letters, digits, `.`, `_` and `-`, beginning with a letter"
            " or a digit",
            field="path.level",
        )
    return name
