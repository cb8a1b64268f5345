"""How far common causes can be believed: whether the stores of each were down at their next poll."""

from collections.abc import Sequence

import numpy as np

from shared.insights.causes import FIRST_HOUR, CommonCause, transitions
from shared.insights.chunks import FleetChunk, GroupsByLabel
from shared.insights.history import HOURS, WEEK_HOURS
from shared.insights.risk import FIRST_SCORED, FLEET_RATE, REFERENCES, SCORED_DAYS, STORE_MEAN, RiskModel
from shared.insights.scores import ScoreSums
from shared.insights.terms import WEEKS


class CauseScores:
    """Scores whether the stores of each cause are down at their next poll, against the mean of each and of the fleet."""

    def __init__(self, groups: GroupsByLabel, causes: Sequence[CommonCause], model: RiskModel) -> None:
        self.sums = ScoreSums(SCORED_DAYS, REFERENCES)
        self._groups, self.causes, self._model = groups, causes, model

    def add(self, chunk: FleetChunk) -> None:
        """Score the stores of a chunk."""
        if not self.causes:
            return
        levels = {week: self._model.levels[week].of(chunk) for week in range(FIRST_SCORED, WEEKS)}
        means = {week: of_week.means() for week, of_week in levels.items()}
        outcomes = _Outcomes(chunk)
        for one in self.causes:
            members = np.flatnonzero(self._groups[one.name][chunk.first : chunk.last] == one.value)
            for store in members.tolist():
                hour = one.hour + int(chunk.ahead_hours[store])
                actual = outcomes.after(store, hour, one.width)
                if actual is not None:
                    week = min(max(hour // WEEK_HOURS, FIRST_SCORED), WEEKS - 1)
                    self._score(one, hour, actual, (levels[week].fleet, float(means[week][store])), week)

    def _score(
        self, one: CommonCause, hour: int, actual: float, rates: tuple[float, float], week: int
    ) -> None:
        fleet, mean = rates
        day = min(max(hour - FIRST_HOUR, 0) // 24, SCORED_DAYS - 1)
        # The fleet's outages last as long as they did in the weeks before.
        predicted = mean + self._model.memory[week][0] * (one.down / one.stores - mean)
        references = {FLEET_RATE: np.array([fleet]), STORE_MEAN: np.array([mean])}
        predictions = np.clip(np.array([predicted]), 0, 1)
        self.sums.add(np.array([day]), np.array([actual]), predictions, **references)


class _Outcomes:
    """What the stores of a chunk were after an hour."""

    def __init__(self, chunk: FleetChunk) -> None:
        self._was_up, _ = transitions(chunk)
        self._known = chunk.history.known.reshape(-1, HOURS)
        self._down = chunk.history.down.reshape(-1, HOURS)

    def after(self, store: int, hour: int, width: int) -> float | None:
        """Return the share of the next polled hour that was down. None if there is none, or if the store was not up."""
        local = slice(max(hour - FIRST_HOUR, 0), max(hour - FIRST_HOUR + width, 0))
        later = np.flatnonzero(self._known[store, hour + width :][:24])
        if not len(later) or not self._was_up[store, local].any():
            return None
        return float(self._down[store, hour + width + later[0]])
