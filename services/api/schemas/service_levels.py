"""Answers about service levels."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from services.api.schemas.service_level_figures import LevelFiguresBody, LevelStoreBody
from shared.service_levels.stored import LevelStore, PeriodName, StateName, StoredLevel


class LevelStates(BaseModel):
    """How many stores are in each state."""

    ok: int = 0
    at_risk: int = 0
    missed: int = 0
    no_data: int = 0


class LevelEvaluationBody(BaseModel):
    """The last evaluation by a worker."""

    first_day: date = Field(description="The first local date of the period.")
    last_day: date = Field(description="The last local date of the period.")
    through: date = Field(
        description="The last local date that counts: it has ended in every time zone. Later ones are ahead."
    )
    as_of: datetime = Field(description="The newest poll of any store at the time of the evaluation.")
    data_cut: int = Field(description="The ledger number of the data.")
    evaluated_at: datetime
    total: LevelFiguresBody = Field(description="All stores together: sums divided by sums.")
    stores: LevelStates
    stores_failed: int = Field(description="Stores that cannot be computed, and are not counted.")
    days_missing: int = Field(
        description="Days of all stores that are not counted. Compute their daily facts, and they count."
    )

    @classmethod
    def of_row(cls, row: Mapping[str, Any], target_ppm: int) -> Self:
        """Build the answer from the stored evaluation."""
        given = {name: row[name] for name in cls.model_fields if name != "total"}
        return cls(**given, total=LevelFiguresBody.of_row(row, target_ppm))


class ServiceLevelBody(BaseModel):
    """A service level, and where it stands in total."""

    name: str = Field(examples=["north"])
    target: float = Field(examples=[0.97])
    labels: Mapping[str, str]
    profile: str
    period: str
    policy: str
    unknown: str
    excluded: str
    caps: Mapping[str, float]
    changed_by: str | None = Field(description="The prefix of the key.")
    changed_at: datetime
    evaluation: LevelEvaluationBody | None = Field(
        description="Null until a worker has evaluated these terms, which takes seconds."
    )

    @classmethod
    def of_level(cls, level: StoredLevel, **more: Any) -> Self:
        """Build the answer for a level."""
        row = level.evaluation
        evaluation = None if row is None else LevelEvaluationBody.of_row(row, level.target_ppm)
        return cls(**{**vars(level), "evaluation": evaluation}, **more)


class ServiceLevelPage(ServiceLevelBody):
    """A service level with a page of its stores, by id."""

    stores: list[LevelStoreBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")

    @classmethod
    def with_stores(cls, level: StoredLevel, stores: Sequence[LevelStore], following: str | None) -> Self:
        """Build the answer with stores."""
        rows = [LevelStoreBody.of_store(store, level.target_ppm) for store in stores]
        return cls.of_level(level, stores=rows, next=following)


class ServiceLevelList(BaseModel):
    """All service levels by name."""

    service_levels: list[ServiceLevelBody]


class ServiceLevelQuery(BaseModel):
    """Which period and which stores to show."""

    model_config = ConfigDict(extra="forbid")

    period: PeriodName = Field(default="current", description="The current period, or the one before it.")
    state: StateName | None = Field(default=None, description="Only stores in this state.")
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most stores to return.")
