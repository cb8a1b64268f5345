"""The risk that a store is down in its next open hours: a shrunk rate of the hour, and a fading memory of the last poll.

The probability for the h-th open hour after now is `rate + memory(h) * (last - rate of the last known hour)`. All of it is
fitted to the weeks before the one that is scored, never to that week itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.chunks import Chunks, FleetChunk, Scan, scan_fleet
from shared.insights.history import WEEK_HOURS, HourHistory
from shared.insights.rates import STRENGTHS, FleetLevels, RateSums, Strength, slot_rates
from shared.insights.scores import ScoreSums
from shared.insights.terms import HORIZONS, WEEKS
from shared.insights.weeks import Floats, fade

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
FIRST_SCORED: Final = 4
SCORED_DAYS: Final = 7 * (WEEKS - FIRST_SCORED)
# The week from which on errors are counted, so that the first scored week has a past to be fitted to.
_FIRST_FITTED: Final = FIRST_SCORED - 1
FLEET_RATE: Final = "fleet_rate"
STORE_MEAN: Final = "store_mean"
REFERENCES: Final = (FLEET_RATE, STORE_MEAN)


@dataclass(frozen=True)
class RiskModel:
    """What predicts a week, by its number (3 to 8; 8 is the week to come): levels, strength and memory by horizon."""

    levels: Mapping[int, FleetLevels]
    strengths: Mapping[int, Strength]
    memory: Mapping[int, Doubles]

    def rates(self, chunk: FleetChunk, week: int) -> Floats:
        """Return the rate of each hour of a week, in shape (stores, 168)."""
        history, strength = chunk.history, self.strengths[week]
        stores = self.levels[week].of(chunk).store_rates(strength)
        down, known = fade(history.down, week), fade(history.known, week)
        return slot_rates(down, known, stores, strength)


def fit_risk(chunks: Chunks, sums: RateSums, label: str | None, *beside: Scan) -> RiskModel:
    """Fit the model to a fleet, with the groups of a label, in two passes. `beside`: scans that share the first pass."""
    levels = {week: sums.levels_before(week, label) for week in range(_FIRST_FITTED, WEEKS + 1)}
    errors = _StrengthErrors(levels)
    scan_fleet(chunks, errors, *beside)
    memory = _MemoryFit(RiskModel(levels, errors.best(), {}))
    scan_fleet(chunks, memory)
    return RiskModel(levels, errors.best(), memory.by_week())


class _StrengthErrors:
    """The errors of each strength in each week."""

    def __init__(self, levels: Mapping[int, FleetLevels]) -> None:
        self._levels = levels
        self._errors = np.zeros((WEEKS + 1, len(STRENGTHS)))

    def add(self, chunk: FleetChunk) -> None:
        history = chunk.history
        for week in range(_FIRST_FITTED, WEEKS):
            known, down = history.known[:, week], history.down[:, week]
            past_down, past_known = fade(history.down, week), fade(history.known, week)
            stores = self._levels[week].of(chunk)
            for number, strength in enumerate(STRENGTHS):
                rates = slot_rates(past_down, past_known, stores.store_rates(strength), strength)
                self._errors[week, number] += np.square(rates - down)[known].sum(dtype=np.float64)

    def best(self) -> Mapping[int, Strength]:
        """Return for each week the strength with the smallest error in the weeks before it."""
        summed = np.cumsum(self._errors, axis=0)
        # Before any error is known, the one in the middle.
        chosen = {week: int(summed[week - 1].argmin()) for week in range(_FIRST_FITTED + 1, WEEKS + 1)}
        return {
            week: STRENGTHS[chosen.get(week, len(STRENGTHS) // 2)] for week in range(_FIRST_FITTED, WEEKS + 1)
        }


class _MemoryFit:
    """How much the last known hour says (least squares)."""

    def __init__(self, model: RiskModel) -> None:
        self._model = model
        self._products, self._squares = np.zeros((2, WEEKS + 1, len(HORIZONS)))

    def add(self, chunk: FleetChunk) -> None:
        line = _HourLine.of(chunk, self._model)
        for number, horizon in enumerate(HORIZONS):
            target, surprise = line.targets(horizon)
            week = _FIRST_FITTED + line.hour[target] // WEEK_HOURS
            left = line.down[target] - line.rate[target]
            self._products[:, number] += np.bincount(week, left * surprise, minlength=WEEKS + 1)
            self._squares[:, number] += np.bincount(week, surprise * surprise, minlength=WEEKS + 1)

    def by_week(self) -> Mapping[int, Doubles]:
        """Return the memory by horizon for each scored week and the week to come."""
        fitted = np.cumsum(self._products, axis=0) / np.maximum(np.cumsum(self._squares, axis=0), 1e-9)
        # What is further away is remembered less.
        fading = np.minimum.accumulate(np.clip(fitted, 0, 1), axis=1)
        return {week: fading[week - 1] for week in range(FIRST_SCORED, WEEKS + 1)}


def score_risk(chunks: Chunks, model: RiskModel, *beside: Scan) -> Mapping[int, ScoreSums]:
    """Score the last four weeks, each as it would have been predicted in the hours before. By horizon.

    `beside`: scans that share the pass.
    """
    scores = _RiskScores(model)
    scan_fleet(chunks, scores, *beside)
    return scores.sums


class _RiskScores:
    def __init__(self, model: RiskModel) -> None:
        self._model = model
        self.sums = {horizon: ScoreSums(SCORED_DAYS, REFERENCES) for horizon in HORIZONS}
        by_week = (model.memory[week] for week in range(FIRST_SCORED, WEEKS))
        self._memory = np.stack([np.zeros(len(HORIZONS)), *by_week])

    def add(self, chunk: FleetChunk) -> None:
        line = _HourLine.of(chunk, self._model)
        references = _reference_rates(chunk, self._model)
        for number, horizon in enumerate(HORIZONS):
            target, surprise = line.targets(horizon)
            scored = line.hour[target] >= WEEK_HOURS
            target, surprise = target[scored], surprise[scored]
            week = line.hour[target] // WEEK_HOURS
            predicted = np.clip(line.rate[target] + self._memory[week, number] * surprise, 0, 1)
            others = {name: rates[week - 1, line.store[target]] for name, rates in references.items()}
            day = line.hour[target] // 24 - 7
            self.sums[horizon].add(day, line.down[target], predicted, **others)


def _reference_rates(chunk: FleetChunk, model: RiskModel) -> Mapping[str, Doubles]:
    """Return what the references predict for the stores of a chunk in the scored weeks, in shape (weeks, stores)."""
    some = [model.levels[week].of(chunk) for week in range(FIRST_SCORED, WEEKS)]
    return {
        FLEET_RATE: np.stack([np.full(len(chunk.keys), levels.fleet) for levels in some]),
        STORE_MEAN: np.stack([levels.means() for levels in some]),
    }


@dataclass(frozen=True)
class _HourLine:
    """The open hours of stores one after another, in order, from week 3 on. `hour` counts from the beginning of that week.

    `last` is the index of the last known hour up to each one, or -1.
    """

    store: Ints
    hour: Ints
    known: NDArray[np.bool_]
    down: Doubles
    rate: Doubles
    last: Ints

    @classmethod
    def of(cls, chunk: FleetChunk, model: RiskModel) -> "_HourLine":
        """Line up the hours of a chunk, with the rates that were predicted for each week before it."""
        history: HourHistory = chunk.history
        opened = history.is_open[:, _FIRST_FITTED:].ravel()
        rates = np.stack([model.rates(chunk, week) for week in range(_FIRST_FITTED, WEEKS)], axis=1)
        place = np.flatnonzero(opened)
        store, hour = np.divmod(place, (WEEKS - _FIRST_FITTED) * WEEK_HOURS)
        known = history.known[:, _FIRST_FITTED:].ravel()[place]
        down = history.down[:, _FIRST_FITTED:].ravel()[place].astype(np.float64)
        last = np.maximum.accumulate(np.where(known, np.arange(len(place)), -1))
        return cls(store, hour, known, down, rates.ravel()[place].astype(np.float64), last)

    def targets(self, horizon: int) -> tuple[Ints, Doubles]:
        """Return the known hours, and by how much the last known one differed from its rate, `horizon` open hours before each."""
        target = np.flatnonzero(self.known)
        before = self.last[np.maximum(target - horizon, 0)]
        same = (target >= horizon) & (before >= 0)
        same &= self.store[before] == self.store[target]
        surprise = np.where(same, self.down[before] - self.rate[before], 0.0)
        return target, surprise


@dataclass(frozen=True)
class StoreRisk:
    """What predicts the hours to come of the stores of a chunk: the rate of each hour of the week, and the last known hour.

    `rates` has the shape (stores, 168) from the hour of the week `first_slot` on. `last_down` and `last_rate` are those of the
    last known hour: its share of down time, and what was predicted for it. Without one both are the same.
    """

    keys: Ints
    rates: Floats
    last_down: Doubles
    last_rate: Doubles
    store_rates: Doubles
    group_rates: Doubles
    fleet_rate: float


def predict_chunk(chunk: FleetChunk, model: RiskModel) -> StoreRisk:
    """Return what predicts the week to come."""
    line, stores = _HourLine.of(chunk, model), len(chunk.keys)
    levels = model.levels[WEEKS].of(chunk)
    rates = model.rates(chunk, WEEKS)
    last_down = np.zeros(stores)
    last_rate = np.zeros(stores)
    # Later hours replace earlier ones.
    known = np.flatnonzero(line.known)
    last_down[line.store[known]] = line.down[known]
    last_rate[line.store[known]] = line.rate[known]
    return StoreRisk(
        chunk.keys,
        rates,
        last_down,
        last_rate,
        levels.store_rates(model.strengths[WEEKS]),
        levels.group,
        levels.fleet,
    )


def horizon_of(hours_ahead: int) -> int:
    """Return the index of the horizon that stands for an open hour ahead (1 to 24)."""
    return int(np.searchsorted(HORIZONS, hours_ahead))


def memory_by_hour(memory: Sequence[float]) -> list[float]:
    """Return the memory of each of the next 24 open hours."""
    return [float(memory[horizon_of(ahead)]) for ahead in range(1, HORIZONS[-1] + 1)]
