"""Service levels as lines of the fleet's page: where each stands, and how much of its budget is left."""

from dataclasses import dataclass
from typing import Self

from services.api.schemas.service_level_figures import LevelFiguresBody
from services.api.schemas.service_levels import ServiceLevelBody
from shared.service_levels.stored import StoredLevel

_MINUTE_US = 60_000_000
_STATE_NAMES = {"ok": "ok", "at_risk": "at risk", "missed": "missed", "no_data": "no data"}


@dataclass(frozen=True)
class LevelLine:
    """A service level. Without `total`, no worker has evaluated it yet."""

    body: ServiceLevelBody

    @classmethod
    def of_level(cls, level: StoredLevel) -> Self:
        """Return the line of a stored level."""
        return cls(ServiceLevelBody.of_level(level))

    @property
    def total(self) -> LevelFiguresBody | None:
        """The figures of all stores together."""
        return self.body.evaluation.total if self.body.evaluation else None

    @property
    def state(self) -> str:
        """The state in words."""
        return _STATE_NAMES[self.total.state] if self.total else "not evaluated yet"

    @property
    def left_us(self) -> int:
        """How long the stores may still be down; negative once the level is missed."""
        return round(self.total.left_minutes * _MINUTE_US) if self.total else 0

    @property
    def used(self) -> float:
        """The share of the budget that is used, at most 1."""
        if not self.total or self.total.used_minutes <= 0:
            return 0.0
        return min(1.0, self.total.used_minutes / max(self.total.budget_minutes, 0.01))

    @property
    def stores_missed(self) -> int:
        """How many stores miss the level on their own."""
        return self.body.evaluation.stores.missed if self.body.evaluation else 0
