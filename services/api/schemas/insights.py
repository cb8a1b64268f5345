"""Bodies of insights. Every number comes with the skill of the method that found it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.api.use_cases.insights import MethodScores, StoredFinding, StoreRiskNow
from shared.insights.sentences import describe_skill
from shared.labels import shown_labels

Driver = Literal["state", "slot", "store", "label", "fleet"]


class SkillBody(BaseModel):
    """The Brier skill against a reference: 1 minus the error as a share of the reference's error."""

    value: float = Field(examples=[0.21])
    low: float = Field(description="The lower end of the 90 % interval, from a bootstrap over days.")
    high: float = Field(description="The upper end.")


class CalibrationBody(BaseModel):
    """A tenth of all predictions."""

    predicted: float = Field(description="Their mean.")
    observed: float = Field(description="The share that was down.")
    hours: int


class MethodBody(BaseModel):
    """A method with its scores on the last four weeks of this fleet, each predicted with what was known before."""

    method: str = Field(examples=["risk_1h"])
    is_on: bool = Field(
        description="Whether it beats both references with its whole interval. If not, it is silent."
    )
    reason: str | None = Field(description="Why it is off.")
    as_of: datetime = Field(description="The newest poll that the run knew.")
    run_id: UUID
    hours: int | None = Field(
        description="How many predictions were scored: of hours, windows, polls after a cause, or days of stores. Null for a"
        " key that is limited to labels."
    )
    skill: Mapping[str, SkillBody | None] = Field(
        description="Against `fleet_rate` (every store is like the fleet) and `store_mean` (a store is as it was on average)."
        " Null if too little was scored to know it."
    )
    calibration: Sequence[CalibrationBody] = Field(
        description="By tenths of the predictions, lowest first. Empty for a key that is limited to labels."
    )
    top_precision: float | None = Field(
        description="How much of the highest 1 % of predictions was down. Null for a key that is limited to labels."
    )
    sentence: str = Field(examples=["Off: on this fleet it is not proven to be better than the store mean."])

    @classmethod
    def of_method(cls, method: MethodScores) -> Self:
        """Build the body."""
        scores = method.scores
        return cls(
            **{
                name: getattr(method, name)
                for name in ("method", "is_on", "reason", "as_of", "run_id", "hours")
            },
            **{name: scores[name] for name in ("calibration", "top_precision")},
            skill=method.skill,
            sentence=describe_skill(method.reason, method.skill["store_mean"]),
        )


class SkillList(BaseModel):
    """All methods of the last run; none before the first run."""

    methods: list[MethodBody]


class FindingBody(BaseModel):
    """A finding in one sentence, with its evidence. It is about a store, or about the stores with a label."""

    store_id: str | None
    name: str | None = Field(
        description="The store's name; null if none was delivered, or it is about a label."
    )
    label: Mapping[str, str] | None = Field(description="The label, if the finding is about several stores.")
    sentence: str = Field(
        examples=["Late opening on Sundays: down 10:00-12:00 in 5 of 6 weeks, against 4.2 % at other times."]
    )
    evidence: Mapping[str, Any] = Field(description="The numbers behind the sentence.")

    @classmethod
    def of_finding(cls, found: StoredFinding) -> Self:
        """Build the body."""
        label = None if found.label_name is None else {found.label_name: found.label_value or ""}
        same = ("store_id", "name", "sentence", "evidence")
        return cls(label=label, **{name: getattr(found, name) for name in same})


class FindingPage(BaseModel):
    """A page of findings, the most certain first."""

    method: MethodBody | None = Field(description="The method with its skill; null before the first run.")
    findings: list[FindingBody] = Field(description="Empty if the method is off.")
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


class HourRiskBody(BaseModel):
    """One open hour."""

    at: datetime = Field(description="Its beginning.")
    probability: float | None = Field(
        description="How likely the store is down at an instant of it; null if the method for so far ahead is off."
    )


class StoreRiskBody(BaseModel):
    """The risk of a store in its next 24 open hours."""

    store_id: str
    name: str | None = Field(description="The name to show; null if none was delivered.")
    timezone: str
    labels: Mapping[str, str]
    expected_down_hours: float | None = Field(
        description="The sum of the probabilities that are not null; null if all are."
    )
    driver: Driver = Field(
        description="What raises the risk most: the last poll, the hours, the store, its label, or nothing."
    )
    store_rate: float = Field(
        description="How often the store is down in its open hours, shrunk towards its group."
    )
    group_rate: float | None = Field(
        description="The same of the stores with its label, or of the fleet; null for a key that may not see all of these."
    )
    hours: list[HourRiskBody] = Field(
        description="Fewer if the store is not open for 24 hours within nine days."
    )
    sentence: str

    @classmethod
    def of_store(cls, risk: StoreRiskNow, group_rate: float | None) -> Self:
        """Build the body."""
        same, expected = ("store_id", "name", "timezone", "store_rate"), risk.expected_down_hours
        return cls(
            **{name: getattr(risk.row, name) for name in same},
            labels=shown_labels(risk.row.labels),
            group_rate=group_rate,
            expected_down_hours=None if expected is None else round(expected, 4),
            driver=risk.driver,
            hours=[HourRiskBody(at=hour.at, probability=hour.probability) for hour in risk.hours],
            sentence=risk.sentence,
        )


class RiskPage(BaseModel):
    """A page of stores, the most expected down hours first."""

    methods: list[MethodBody] = Field(description="The method of each distance with its skill.")
    begins_at: datetime | None = Field(
        description="The hours follow this instant: now, or the newest poll if the run is older than two days."
    )
    stores: list[StoreRiskBody] = Field(description="Empty if all methods of risk are off.")
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
