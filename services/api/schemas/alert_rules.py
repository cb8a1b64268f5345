"""Bodies of alert rules."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.http.bodies import RequestBody, must_be
from shared.incidents.delivery import MAX_CHANNELS, STORE_ZONE, Delivery
from shared.incidents.stored_rules import StoredAlertRule
from shared.incidents.terms import (
    DEFAULT_HOLD_OPEN_MINUTES,
    MAX_HOLD_OPEN_MINUTES,
    NAME,
    RuleKind,
    RuleTerms,
)
from shared.labels import MAX_LABELS, checked_labels

_EXAMPLE: dict[str, Any] = {
    "kind": "store_down",
    "labels": {"region": "north"},
    "parameters": {"inactive_polls": 2, "guard_after_opening_minutes": 15},
}
_ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:00"])]
_ChannelName = Annotated[str, Field(pattern=NAME, examples=["on-call"])]
_DAY_MINUTES = 1_440


class DeliveryTerms(BaseModel):
    """Which channels are told, and when. Quiet hours delay messages, and never the evaluation."""

    model_config = ConfigDict(extra="forbid")

    channels: list[_ChannelName] = Field(
        default=[],
        max_length=MAX_CHANNELS,
        description="The names of channels. Without one, there are no messages.",
    )
    quiet_from: _ClockTime | None = Field(default=None, description="Nothing is sent from this time on …")
    quiet_until: _ClockTime | None = Field(
        default=None, description="… until this time, which may be on the next day."
    )
    weekdays: list[Annotated[int, Field(ge=0, le=6, strict=True)]] = Field(
        default=list(range(7)),
        min_length=1,
        max_length=7,
        description="Days on which messages are sent; 0: Monday.",
        examples=[[0, 1, 2, 3, 4]],
    )
    zone: str = Field(
        default=STORE_ZONE,
        max_length=100,
        description="The IANA time zone of quiet hours and weekdays; `store`: that of each store.",
        examples=["store"],
    )
    digest_minutes: int = Field(
        default=0,
        ge=0,
        le=_DAY_MINUTES,
        strict=True,
        description="Send one message per interval of this length; 0: at once.",
    )
    remind_minutes: int = Field(
        default=0,
        ge=0,
        le=_DAY_MINUTES,
        strict=True,
        description="Repeat the message at this interval until the incident is acknowledged; 0: never.",
    )
    escalate_channel: _ChannelName | None = Field(
        default=None,
        description="Tell this channel too if the incident is not acknowledged in time.",
        examples=[None],
    )
    escalate_after_minutes: int = Field(
        default=0, ge=0, le=_DAY_MINUTES, strict=True, description="How long that time is."
    )

    def to_delivery(self) -> Delivery:
        """Return the terms. Raises `InvalidRequest`."""
        return Delivery(**self.model_dump())


class AlertRulePut(RequestBody):
    """Body of `PUT /v1/alert-rules/{rule}`. It replaces all terms."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    kind: RuleKind = Field(description="What the rule looks for.")
    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] = Field(
        default={},
        max_length=MAX_LABELS,
        description="The rule is for all stores that have these labels; `{}`: for every store.",
    )
    parameters: dict[str, Annotated[int | float | str | None, must_be("a number, a string or null")]] = Field(
        default={},
        max_length=10,
        description="Parameters of the kind, as its table in the reference has them. Null turns one off.",
        examples=[{"inactive_polls": 2}],
    )
    hold_open_minutes: int = Field(
        default=DEFAULT_HOLD_OPEN_MINUTES,
        ge=0,
        le=MAX_HOLD_OPEN_MINUTES,
        strict=True,
        description="An incident ends once its condition has not held for this long. If it holds again before, that is a flap.",
    )
    delivery: DeliveryTerms = Field(
        default=DeliveryTerms(), description="Which channels are told, and when.", examples=[{}]
    )
    paused: bool = Field(
        default=False,
        strict=True,
        description="Do not evaluate the rule until it is set again. Its incidents end.",
    )

    def to_terms(self) -> RuleTerms:
        """Return what the rule looks for. Raises `InvalidRequest`."""
        return RuleTerms(self.kind, self.labels, self.parameters, self.hold_open_minutes)


class AlertRuleBody(BaseModel):
    """An alert rule."""

    name: str = Field(examples=["north-down"])
    kind: RuleKind
    labels: Mapping[str, str]
    parameters: Mapping[str, int | float | str | None] = Field(
        description="With the defaults of those that were not given.", examples=[{"inactive_polls": 2}]
    )
    hold_open_minutes: int
    delivery: DeliveryTerms
    paused: bool = Field(description="Whether the rule is not evaluated.")
    changed_by: str | None = Field(description="The prefix of the key.")
    changed_at: datetime
    open_incidents: int = Field(description="How many of its incidents have not ended.")

    @classmethod
    def of_rule(cls, rule: StoredAlertRule) -> Self:
        """Build the answer for a rule."""
        return cls.model_validate(vars(rule))


class AlertRuleList(BaseModel):
    """All alert rules by name."""

    alert_rules: list[AlertRuleBody]
