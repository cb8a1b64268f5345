"""The risk that a store is down in its next open hours: a shrunk rate of the hour, and a fading memory of the last poll.

The probability for the h-th open hour after now is `rate + memory(h) * (last - rate of the last known hour)`. All of it is
fitted to the weeks before the one that is scored, never to that week itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.chunks import Chunks, FleetChunk
from shared.insights.history import WEEK_HOURS, Floats, HourHistory
from shared.insights.rates import STRENGTHS, Levels, Strength, fade, slot_rates
from shared.insights.scores import ScoreSums
from shared.insights.terms import HORIZONS, WEEKS

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

    levels: Mapping[int, Levels]
    strengths: Mapping[int, Strength]
    memory: Mapping[int, Doubles]

    def rates(self, chunk: FleetChunk, week: int) -> Floats:
        """Return the rate of each hour of a week, in shape (stores, 168)."""
        history, strength = chunk.history, self.strengths[week]
        stores = self.levels[week].some(chunk.first, chunk.last).store_rates(strength)
        down, known = fade(history.down, week), fade(history.known, week)
        return slot_rates(down, known, stores, strength)


def fit_risk(chunks: Chunks, levels: Mapping[int, Levels]) -> RiskModel:
    """Fit the model to the chunks of a fleet, in two passes."""
    strengths = _fit_strengths(chunks, levels)
    unremembered = RiskModel(levels, strengths, {})
    return RiskModel(levels, strengths, _fit_memory(chunks, unremembered))


def _fit_strengths(chunks: Chunks, levels: Mapping[int, Levels]) -> Mapping[int, Strength]:
    """Return for each week the strength with the smallest error in the weeks before it."""
    errors = np.zeros((WEEKS + 1, len(STRENGTHS)))
    for chunk in chunks():
        history = chunk.history
        for week in range(_FIRST_FITTED, WEEKS):
            known, down = history.known[:, week], history.down[:, week]
            past_down, past_known = fade(history.down, week), fade(history.known, week)
            some = levels[week].some(chunk.first, chunk.last)
            for number, strength in enumerate(STRENGTHS):
                rates = slot_rates(past_down, past_known, some.store_rates(strength), strength)
                errors[week, number] += np.square(rates - down)[known].sum(dtype=np.float64)
    summed = np.cumsum(errors, axis=0)
    # Before any error is known, the one in the middle.
    chosen = {week: int(summed[week - 1].argmin()) for week in range(_FIRST_FITTED + 1, WEEKS + 1)}
    return {
        week: STRENGTHS[chosen.get(week, len(STRENGTHS) // 2)] for week in range(_FIRST_FITTED, WEEKS + 1)
    }


def _fit_memory(chunks: Chunks, model: RiskModel) -> Mapping[int, Doubles]:
    """Return for each scored week and the week to come how much the last known hour says, by horizon (least squares)."""
    products, squares = np.zeros((2, WEEKS + 1, len(HORIZONS)))
    for chunk in chunks():
        line = _HourLine.of(chunk, model)
        for number, horizon in enumerate(HORIZONS):
            target, surprise = line.targets(horizon)
            week = _FIRST_FITTED + line.hour[target] // WEEK_HOURS
            left = line.down[target] - line.rate[target]
            products[:, number] += np.bincount(week, left * surprise, minlength=WEEKS + 1)
            squares[:, number] += np.bincount(week, surprise * surprise, minlength=WEEKS + 1)
    fitted = np.cumsum(products, axis=0) / np.maximum(np.cumsum(squares, axis=0), 1e-9)
    # What is further away is remembered less.
    fading = np.minimum.accumulate(np.clip(fitted, 0, 1), axis=1)
    return {week: fading[week - 1] for week in range(FIRST_SCORED, WEEKS + 1)}


def score_risk(chunks: Chunks, model: RiskModel) -> Mapping[int, ScoreSums]:
    """Score the last four weeks, each as it would have been predicted in the hours before. By horizon."""
    sums = {horizon: ScoreSums(SCORED_DAYS, REFERENCES) for horizon in HORIZONS}
    for chunk in chunks():
        line = _HourLine.of(chunk, model)
        references = _reference_rates(chunk, model)
        memory = np.stack(
            [np.zeros(len(HORIZONS)), *(model.memory[week] for week in range(FIRST_SCORED, WEEKS))]
        )
        for number, horizon in enumerate(HORIZONS):
            target, surprise = line.targets(horizon)
            scored = line.hour[target] >= WEEK_HOURS
            target, surprise = target[scored], surprise[scored]
            week = line.hour[target] // WEEK_HOURS
            predicted = np.clip(line.rate[target] + memory[week, number] * surprise, 0, 1)
            others = {name: rates[week - 1, line.store[target]] for name, rates in references.items()}
            day = line.hour[target] // 24 - 7
            sums[horizon].add(day, line.down[target], predicted, **others)
    return sums


def _reference_rates(chunk: FleetChunk, model: RiskModel) -> Mapping[str, Doubles]:
    """Return what the references predict for the stores of a chunk in the scored weeks, in shape (weeks, stores)."""
    some = [model.levels[week].some(chunk.first, chunk.last) for week in range(FIRST_SCORED, WEEKS)]
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
    levels = model.levels[WEEKS].some(chunk.first, chunk.last)
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
