"""Where a store or a whole level stands: the numbers of the answers. Shares and the burn rate are rounded down."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, Field

from services.api.schemas.minutes import minutes_down, minutes_up
from shared.service_levels.stored import LevelStore, StateName
from shared.uptime.service_level import PPM, LevelFigures, Tally

_HUNDRED = 100


class LevelFiguresBody(BaseModel):
    """What was achieved in the period so far, and the budget: how long the stores may be down in the whole period."""

    state: StateName
    achieved: float | None = Field(
        description="The share of the counted time that was up; null if nothing counts.", examples=[0.979166]
    )
    counted_minutes: float = Field(description="The time that counts, up to `through`.")
    budget_minutes: float = Field(description="What may be down in the whole period.", examples=[1296.0])
    used_minutes: float = Field(description="What was down, or counts as down.", examples=[300.0])
    left_minutes: float = Field(description="Budget less used; negative once the level is missed.")
    burn_rate: float | None = Field(
        description="How fast the last day used the budget: at 1 it lasts for one period. Null if the target is 1.",
        examples=[1.38],
    )
    projected: float | None = Field(
        description="What will be achieved if the rest of the period is like the last day.",
        examples=[0.965277],
    )

    @classmethod
    def of_row(cls, row: Mapping[str, Any], target_ppm: int, **more: Any) -> Self:
        """Build the answer from the columns of an evaluation."""
        figures = LevelFigures(target_ppm, *(row[name] for name in Tally.__slots__))
        budget, used = minutes_down(figures.budget_us), minutes_up(figures.down_us)
        return cls(
            state=row["state"],
            achieved=_share(figures.achieved_ppm, PPM),
            counted_minutes=minutes_down(figures.counted_us),
            budget_minutes=budget,
            used_minutes=used,
            left_minutes=round(budget - used, 2),
            burn_rate=_share(figures.burn_rate_percent, _HUNDRED),
            projected=_share(figures.projected_ppm, PPM),
            **more,
        )


class LevelStoreBody(LevelFiguresBody):
    """One store of a service level."""

    store_id: str
    unknown_minutes: float = Field(
        description="Open time without a poll that covers it, whatever it counts as."
    )
    excluded_minutes: float = Field(description="Excluded time within the caps, whatever it counts as.")
    over_cap_minutes: float = Field(description="Excluded time beyond a cap. It is part of `used_minutes`.")
    days_missing: int = Field(
        description="Days that are not counted: they have no fact that holds, and are too old to be computed from polls."
    )

    @classmethod
    def of_store(cls, store: LevelStore, target_ppm: int) -> Self:
        """Build the answer for a store."""
        return cls.of_row(
            vars(store),
            target_ppm,
            store_id=store.store_id,
            unknown_minutes=minutes_down(store.unknown_us),
            excluded_minutes=minutes_down(store.excluded_us),
            over_cap_minutes=minutes_down(store.over_cap_us),
            days_missing=store.days_missing,
        )


def _share(number: int | None, unit: int) -> float | None:
    return None if number is None else number / unit
