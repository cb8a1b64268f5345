"""A method of insights with its scores, as it is stored. A method is on if it beats every reference with its whole interval."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.insights.risk import REFERENCES
from shared.insights.scores import ScoreSums


@dataclass(frozen=True)
class Method:
    """A method with its scores. `more`: what its readers need beside them."""

    name: str
    sums: ScoreSums
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        """Whether its skill is proven against every reference."""
        return all(self.sums.skill(name).is_proven for name in REFERENCES)

    @property
    def reason(self) -> str | None:
        """Why it is off."""
        if self.is_on:
            return None
        if not self.sums.hours.sum():
            return "nothing was predicted in the last four weeks, so there is nothing to score"
        weak = [name.replace("_", " ") for name in REFERENCES if not self.sums.skill(name).is_proven]
        return f"on this fleet it is not proven to be better than the {' and the '.join(weak)}"

    def scores(self) -> dict[str, Any]:
        """Return the scores as they are stored."""
        return {
            "skill": {name: asdict(self.sums.skill(name)) for name in REFERENCES},
            "calibration": [asdict(one) for one in self.sums.calibration()],
            "top_precision": self.sums.top_precision(),
            **self.more,
        }
