"""Known and down hours by week, and how weeks fade."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.terms import WEEKS

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
# Chosen: a week counts half as much as one that is four weeks younger.
FADING: Final = 2 ** (-1 / 4)


@dataclass(frozen=True)
class WeekSums:
    """Known hours, and the hours of them that were down, by store or group and week, in shape (subjects, 8)."""

    down: Doubles
    known: Doubles

    @classmethod
    def zeros(cls, subjects: int) -> "WeekSums":
        """Return sums to add to."""
        return cls(np.zeros((subjects, WEEKS)), np.zeros((subjects, WEEKS)))

    def before(self, week: int) -> tuple[Doubles, Doubles]:
        """Return the sums of each subject over the weeks before one (0 to 8); older weeks count less."""
        weights = FADING ** np.arange(week - 1, -1, -1)
        return self.down[:, :week] @ weights, self.known[:, :week] @ weights


def fade(values: Floats | Flags) -> Sequence[Floats]:
    """Return the faded sums over the weeks before each one (0 to 8), in shape (stores, 168), of an array (stores, 8, 168)."""
    totals: list[Floats] = [np.zeros((len(values), values.shape[2]), dtype=np.float32)]
    for week in range(WEEKS):
        totals.append(totals[-1] * np.float32(FADING) + values[:, week])
    return totals
