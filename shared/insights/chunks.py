"""A fleet in chunks of stores, so that memory does not grow with it. Every pass reads the chunks again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.insights.history import HourHistory
from shared.insights.rates import WeekSums
from shared.insights.terms import WEEKS


@dataclass(frozen=True)
class FleetChunk:
    """The history of the stores whose places in the fleet begin with `first`.

    `ahead_hours`: how far the local time of each is ahead of UTC, rounded, at the end of the history.
    """

    first: int
    keys: NDArray[np.int64]
    history: HourHistory
    ahead_hours: NDArray[np.int64]

    @property
    def last(self) -> int:
        """The place after the last one."""
        return self.first + len(self.keys)


# Yields the chunks in order, the same each time.
Chunks = Callable[[], Iterator[FleetChunk]]


def sum_weeks(chunks: Chunks) -> tuple[NDArray[np.int64], WeekSums]:
    """Return the keys of all stores in order, and their known and down hours by week."""
    keys, down, known = [np.zeros(0, dtype=np.int64)], [np.zeros((0, WEEKS))], [np.zeros((0, WEEKS))]
    for chunk in chunks():
        keys.append(chunk.keys)
        down.append(chunk.history.down.sum(axis=2, dtype=np.float64))
        known.append(chunk.history.known.sum(axis=2, dtype=np.float64))
    return np.concatenate(keys), WeekSums(np.concatenate(down), np.concatenate(known))
