"""Exact arithmetic on sorted, disjoint half-open intervals of many stores at once.

Works on non-negative integers only. Must not know polls, hours or policies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Line:
    """One number line for a batch: store k owns `[k * width_us, (k + 1) * width_us)`.

    One sort and one binary search then serve all stores, and no interval reaches into the next store.
    """

    origin_us: int
    width_us: int

    @classmethod
    def covering(cls, first_us: int, last_us: int, stores: int) -> "Line":
        """Return a line with a place for every instant from `first_us` to `last_us` (inclusive).

        Raises ValueError if the stores and the time range need more than 63 bits.
        """
        width_us = last_us - first_us + 2
        if stores * width_us > np.iinfo(np.int64).max:
            raise ValueError(f"{stores} stores over {width_us} us are too many for one batch")
        return cls(first_us, width_us)

    def place(self, store: Int64s, at_us: Int64s) -> Int64s:
        """Return the places of instants on the line. Instants outside its time move to the nearest edge."""
        place: Int64s = np.clip(at_us - self.origin_us, 0, self.width_us - 1)
        place += store * self.width_us
        return place

    def instant_us(self, store: Int64s, place: Int64s) -> Int64s:
        """Return the instants at these places of the line."""
        return place - store * self.width_us + self.origin_us


def elapsed_before(begin: Int64s, end: Int64s, until: Int64s) -> Int64s:
    """Return how much of the intervals `[begin, end)` lies before each instant of `until`. Exact, for any shape."""
    total = np.concatenate(([0], np.cumsum(end - begin)))
    started = np.searchsorted(begin, until, side="right")
    last_end = np.concatenate(([0], end))[started]
    return total[started] - np.maximum(last_end - until, 0)


def intersect_intervals(
    begin: Int64s, end: Int64s, other_begin: Int64s, other_end: Int64s
) -> tuple[Int64s, Int64s, Int64s]:
    """Return the overlaps of two lists of intervals, in order: index into the second list, begin, end.

    Searches once for each interval of the first list, so pass the shorter list first.
    """
    first = np.searchsorted(other_end, begin, side="right")
    count = np.maximum(np.searchsorted(other_begin, end, side="left") - first, 0)
    index, other = expand_ranges(first, count)
    return other, np.maximum(begin[index], other_begin[other]), np.minimum(end[index], other_end[other])


def expand_ranges(first: Int64s, count: Int64s) -> tuple[Int64s, Int64s]:
    """Return for every i the `count[i]` numbers from `first[i]` on: the i of each, and the numbers."""
    index = np.repeat(np.arange(len(count)), count)
    offset = np.cumsum(count) - count
    return index, np.arange(len(index)) + (first - offset)[index]
