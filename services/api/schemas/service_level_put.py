"""The body that sets a service level. Unknown fields are refused."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from services.api.schemas.parameters import KnownPolicy
from shared.http.bodies import RequestBody
from shared.labels import MAX_LABELS, checked_labels
from shared.service_levels.terms import DAILY_POLICIES, MAX_CAPS, PROFILES, LevelTerms, ProfileName
from shared.texts import storable
from shared.uptime.level_period import LevelPeriod
from shared.uptime.policy import DEFAULT_POLICY
from shared.uptime.service_level import ExcludedTime, UnknownTime

_EXAMPLE: dict[str, Any] = {
    "target": 0.97,
    "labels": {"region": "north"},
    "caps": {"planned_maintenance": 8},
}


def _has_six_decimals(target: float) -> float:
    # It is counted in millionths: 0.9999999 would be 1, which allows no downtime.
    if target != round(target, 6):
        raise ValueError(f"{target} has more than six decimals: round it to six")
    return target


class ServiceLevelPut(RequestBody):
    """Body of `PUT /v1/service-levels/{level}`. It replaces all terms."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    target: Annotated[float, AfterValidator(_has_six_decimals)] = Field(
        gt=0,
        le=1,
        strict=True,
        description="The share of the counted time that must be up, with up to six decimals.",
    )
    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] = Field(
        default={},
        max_length=MAX_LABELS,
        description="The level is for all stores that have these labels; `{}`: for every store.",
    )
    profile: ProfileName = Field(
        default="plain",
        description="What `period`, `unknown` and `excluded` are unless they are given.",
    )
    period: LevelPeriod | None = Field(
        default=None,
        description="`calendar_month` and `rolling_30_days` of local dates, or `last_12_months`: whole months that have ended.",
    )
    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(DAILY_POLICIES)}.",
    )
    unknown: UnknownTime | None = Field(
        default=None, description="What open time counts as in which no poll says whether the store was up."
    )
    excluded: ExcludedTime | None = Field(
        default=None, description="What the time of closures with the treatment `exclude` counts as."
    )
    caps: dict[Annotated[str, AfterValidator(storable)], Annotated[float, Field(strict=True)]] = Field(
        default={},
        max_length=MAX_CAPS,
        description="For reasons of closures: the most hours in a period that are excluded. What is beyond is down.",
    )

    def to_terms(self) -> LevelTerms:
        """Return the terms, with what the profile gives. Raises `InvalidRequest`."""
        profile = PROFILES[self.profile]
        return LevelTerms(
            target=self.target,
            labels=self.labels,
            profile=self.profile,
            period=self.period or profile.period,
            policy=self.policy,
            unknown=self.unknown or profile.unknown,
            excluded=self.excluded or profile.excluded,
            caps=self.caps,
        )
