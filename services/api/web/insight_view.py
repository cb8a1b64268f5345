"""What the page of insights shows. Must not know HTML or the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.api.web.insight_lines import FindingKind, FindingLine, MethodLine, RiskLine


@dataclass(frozen=True)
class FindingList:
    """The findings of one method, the most certain first. `more`: there are others."""

    kind: FindingKind
    method: MethodLine
    lines: Sequence[FindingLine]
    more: bool


@dataclass(frozen=True)
class InsightView:
    """The conclusions of a run; no method before the first one. Risks are of the hours after `begins_at`."""

    methods: Sequence[MethodLine]
    risks: Sequence[RiskLine]
    lists: Sequence[FindingList]
    begins_at: datetime | None

    @property
    def as_of(self) -> datetime:
        """The newest poll that the run knew."""
        return self.methods[0].scores.as_of

    @property
    def is_old(self) -> bool:
        """Whether the run is so old that its risks are those of the hours after its own newest poll."""
        return self.begins_at == self.as_of

    @property
    def risk_reason(self) -> str | None:
        """Why no risk is shown: the first of the methods that say so. None if one of them is on."""
        of_risk = [each for each in self.methods if each.is_risk]
        return None if any(each.scores.is_on for each in of_risk) else of_risk[0].sentence

    @property
    def scale(self) -> tuple[float, float]:
        """The least and the largest skill that is drawn."""
        ends = [end for each in self.methods if each.is_scored for end in (each.low, each.high)]
        return min([0.0, *ends]), max([0.1, *ends])

    def place(self, skill: float) -> float:
        """Return where a skill lies on the scale, from 0 to 1."""
        low, high = self.scale
        return (skill - low) / (high - low)
