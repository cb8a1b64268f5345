"""A method of insights with its scores, as it is stored. A method is on if it beats every reference with its whole interval."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from shared.insights.risk import REFERENCES
from shared.insights.scores import ScoreSums, Skill


@dataclass(frozen=True)
class Method:
    """A method with its scores. `more`: what its readers need beside them."""

    name: str
    sums: ScoreSums
    more: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def skill(self) -> Mapping[str, Skill | None]:
        """The skill by reference. None: too little was scored to know it."""
        return {name: self.sums.skill(name) for name in REFERENCES}

    @property
    def is_on(self) -> bool:
        """Whether its skill is proven against every reference."""
        return not self._weak

    @property
    def reason(self) -> str | None:
        """Why it is off."""
        if self.is_on:
            return None
        if not self.sums.hours.sum():
            return "nothing was predicted in the last four weeks, so there is nothing to score"
        if None in self.skill.values():
            return "too few days of the last four weeks could be scored"
        weak = " and the ".join(name.replace("_", " ") for name in self._weak)
        return f"on this fleet it is not proven to be better than the {weak}"

    @property
    def _weak(self) -> list[str]:
        return [name for name, skill in self.skill.items() if skill is None or not skill.is_proven]

    def scores(self) -> dict[str, Any]:
        """Return the scores as they are stored. An API of the release before wants numbers for an unknown skill too."""
        return {
            "skill": {name: asdict(skill or Skill(0.0, 0.0, 0.0)) for name, skill in self.skill.items()},
            "unknown_skill": [name for name, skill in self.skill.items() if skill is None],
            "calibration": [asdict(one) for one in self.sums.calibration()],
            "top_precision": self.sums.top_precision(),
            **self.more,
        }
