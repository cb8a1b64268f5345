"""Scores of probabilities: skill against a reference with its interval, calibration, and precision of the highest.

Sums are kept by day, because hours of one day are not independent: an interval draws whole days (a block bootstrap).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
_BINS: Final = 1_000
_DRAWS: Final = 2_000
_SEED: Final = 21
# The interval reaches from the 5 % to the 95 % quantile.
_QUANTILES: Final = (0.05, 0.95)
_TOP_SHARE: Final = 0.01
# Of fewer days nothing is concluded.
_LEAST_DAYS: Final = 2


@dataclass(frozen=True)
class Skill:
    """The Brier skill: 1 minus the error as a share of the reference's. `low` and `high`: its 90 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_proven(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0


@dataclass(frozen=True)
class CalibrationBin:
    """Predictions of a tenth of all: their mean, and the share that was down."""

    predicted: float
    observed: float
    hours: int


def errors_by_day(day: NDArray[np.int64], down: Doubles, predicted: Doubles, days: int) -> Doubles:
    """Return the sum of squared errors of hours by day."""
    errors: Doubles = np.bincount(day, (predicted - down) ** 2, minlength=days).astype(np.float64)
    return errors


@dataclass
class ScoreSums:
    """Squared errors of a method and of its references by day, and predictions by size."""

    days: int
    references: tuple[str, ...]
    error: Doubles = field(init=False)
    of_reference: dict[str, Doubles] = field(init=False)
    hours: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.error = np.zeros(self.days)
        self.of_reference = {name: np.zeros(self.days) for name in self.references}
        self.hours = np.zeros(self.days, dtype=np.int64)
        self._bins = np.zeros((3, _BINS))

    def add(self, day: NDArray[np.int64], down: Doubles, predicted: Doubles, **others: Doubles) -> None:
        """Add hours: the day of each, its share of down time, and the predictions of the method and of the references."""
        errors = {name: errors_by_day(day, down, values, self.days) for name, values in others.items()}
        self.add_beside(day, down, predicted, errors)

    def add_beside(
        self, day: NDArray[np.int64], down: Doubles, predicted: Doubles, references: Mapping[str, Doubles]
    ) -> None:
        """Add hours whose references are scored already. `references`: their errors by day."""
        self.error += errors_by_day(day, down, predicted, self.days)
        for name, errors in references.items():
            self.of_reference[name] += errors
        self.hours += np.bincount(day, minlength=self.days)
        place = np.minimum((predicted * _BINS).astype(np.int64), _BINS - 1)
        for number, weights in enumerate((None, predicted, down)):
            self._bins[number] += np.bincount(place, weights, minlength=_BINS)

    def skill(self, reference: str) -> Skill | None:
        """Return the skill against a reference. None: on fewer than two days the reference had an error to compare with."""
        other = self.of_reference[reference]
        if np.count_nonzero(other) < _LEAST_DAYS:
            return None
        drawn = np.random.default_rng(_SEED).integers(0, self.days, (_DRAWS, self.days))
        errors, others = self.error[drawn].sum(axis=1), other[drawn].sum(axis=1)
        scored = others > 0
        low, high = np.quantile(1 - errors[scored] / others[scored], _QUANTILES)
        return Skill(float(1 - self.error.sum() / other.sum()), float(low), float(high))

    def calibration(self) -> list[CalibrationBin]:
        """Return the tenths of all predictions, lowest first. Equal predictions are not divided, so there may be fewer."""
        hours, predicted, down = self._bins
        upto = np.cumsum(hours)
        if not upto[-1]:
            return []
        tenth = np.minimum((10 * (upto - hours / 2) / upto[-1]).astype(np.int64), 9)
        sums = [np.bincount(tenth, values, minlength=10) for values in (hours, predicted, down)]
        return [
            CalibrationBin(float(p / n), float(d / n), int(n)) for n, p, d in zip(*sums, strict=True) if n > 0
        ]

    def top_precision(self) -> float | None:
        """Return how much of the hours with the highest 1 % of predictions was down. None: nothing was scored."""
        hours, _, down = self._bins[:, ::-1]
        total = hours.sum()
        if not total:
            return None
        last = int(np.searchsorted(np.cumsum(hours), max(1.0, _TOP_SHARE * total)))
        return float(down[: last + 1].sum() / hours[: last + 1].sum())
