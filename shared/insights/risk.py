"""The risk that a store is down in its next open hours: a shrunk rate of the hour, and a fading memory of the last poll.

The probability for the h-th open hour after now is `rate + memory(h) * (last - rate of the last known hour)`. All of it is
fitted to the weeks before the one that is scored, never to that week itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.chunks import Chunks, FleetChunk, Scan, scan_fleet
from shared.insights.history import WEEK_HOURS, HourHistory
from shared.insights.rates import STRENGTHS, FleetLevels, RateSums, Strength, slot_rates
from shared.insights.scores import ScoreSums, errors_by_day
from shared.insights.terms import HORIZONS, WEEKS
from shared.insights.weeks import Floats

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
        strength, (down, known) = self.strengths[week], chunk.history.faded
        stores = self.levels[week].of(chunk).store_rates(strength)
        return slot_rates(down[week], known[week], stores[:, np.newaxis], strength)


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
            known = history.known[:, week]
            store, down = np.nonzero(known)[0], history.down[:, week][known]
            past_down, past_known = (values[week][known] for values in history.faded)
            levels = self._levels[week].of(chunk)
            for number, strength in enumerate(STRENGTHS):
                rates = slot_rates(past_down, past_known, levels.store_rates(strength)[store], strength)
                self._errors[week, number] += np.square(rates - down).sum(dtype=np.float64)

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
        hours = _KnownHours.of(chunk, self._model)
        week, left = _FIRST_FITTED + hours.hour // WEEK_HOURS, hours.residual
        for number, horizon in enumerate(HORIZONS):
            surprise = hours.surprises(horizon)
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
        hours = _KnownHours.of(chunk, self._model)
        scored = np.flatnonzero(hours.hour >= WEEK_HOURS)
        store, hour = hours.store[scored], hours.hour[scored]
        rate, down = hours.rate[scored], hours.down[scored]
        week, day = hour // WEEK_HOURS, hour // 24 - 7
        # The references predict the same at every distance.
        references = {
            name: errors_by_day(day, down, rates[week - 1, store], SCORED_DAYS)
            for name, rates in _reference_rates(chunk, self._model).items()
        }
        for number, horizon in enumerate(HORIZONS):
            surprise = hours.surprises(horizon)[scored]
            predicted = np.clip(rate + self._memory[week, number] * surprise, 0, 1)
            self.sums[horizon].add_beside(day, down, predicted, references)


def _reference_rates(chunk: FleetChunk, model: RiskModel) -> Mapping[str, Doubles]:
    """Return what the references predict for the stores of a chunk in the scored weeks, in shape (weeks, stores)."""
    some = [model.levels[week].of(chunk) for week in range(FIRST_SCORED, WEEKS)]
    return {
        FLEET_RATE: np.stack([np.full(len(chunk.keys), levels.fleet) for levels in some]),
        STORE_MEAN: np.stack([levels.means() for levels in some]),
    }


@dataclass(frozen=True)
class _KnownHours:
    """The known hours of stores from week 3 on, one after another, in order. `hour` counts from the beginning of that week.

    `begin` is the index of the store's first one. `place` is that of each among the open hours of all stores, and `upto`
    the number of known hours up to and including each open one; `HORIZONS[-1]` zeros come first.
    """

    store: Ints
    hour: Ints
    down: Doubles
    rate: Doubles
    begin: Ints
    place: Ints
    upto: Ints

    @classmethod
    def of(cls, chunk: FleetChunk, model: RiskModel) -> "_KnownHours":
        """Line up the hours of a chunk, with the rates that were predicted for each week before it."""
        history: HourHistory = chunk.history
        late = slice(_FIRST_FITTED, WEEKS)
        known = history.known[:, late]
        is_known = known[history.is_open[:, late]]
        store, hour = np.divmod(np.flatnonzero(known.ravel()), (WEEKS - _FIRST_FITTED) * WEEK_HOURS)
        rates = np.stack([model.rates(chunk, week) for week in range(_FIRST_FITTED, WEEKS)], axis=1)
        return cls(
            store,
            hour,
            history.down[:, late][known].astype(np.float64),
            rates[known].astype(np.float64),
            begin=np.searchsorted(store, store),
            place=np.flatnonzero(is_known),
            upto=np.concatenate((np.zeros(HORIZONS[-1], dtype=np.int64), np.cumsum(is_known))),
        )

    @cached_property
    def residual(self) -> Doubles:
        """By how much each hour differed from its rate."""
        return self.down - self.rate

    def surprises(self, horizon: int) -> Doubles:
        """Return by how much the last known hour of the store differed from its rate, `horizon` open hours before each hour."""
        last = self.upto[self.place + (HORIZONS[-1] - horizon)] - 1
        return np.where(last >= self.begin, self.residual[last], 0.0)


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
    hours, stores = _KnownHours.of(chunk, model), len(chunk.keys)
    levels = model.levels[WEEKS].of(chunk)
    rates = model.rates(chunk, WEEKS)
    last_down = np.zeros(stores)
    last_rate = np.zeros(stores)
    # Later hours replace earlier ones.
    last_down[hours.store] = hours.down
    last_rate[hours.store] = hours.rate
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
