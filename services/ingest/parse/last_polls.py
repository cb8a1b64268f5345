"""The last poll wins: of several polls of one store and instant in a chunk or a call, only the last one is kept.

The first of them is compared with the database, each later one with the one before it: the same status is a duplicate,
another status is a correction. A store is any integer here: its number in the file, or its key.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
_INT64_BITS = 63  # without the sign


@dataclass(frozen=True)
class LastPolls:
    """Distinct polls, sorted by (store, at_us), each with the status that came first and the one that came last."""

    store: NDArray[np.int32]
    at_us: NDArray[np.int64]
    first_active: Bools
    active: Bools

    def __len__(self) -> int:
        return len(self.store)

    def pick(self, picked: Bools | NDArray[np.int64] | slice) -> Self:
        """Return the polls under a mask, at these indexes or in a slice."""
        return type(self)(
            self.store[picked], self.at_us[picked], self.first_active[picked], self.active[picked]
        )


@dataclass(frozen=True)
class DedupedPolls:
    """The last polls, and where they come from: `order` sorts the given polls; masks are in that order.

    `is_repeat` marks polls of the same store and instant as the one before, `is_correction` those that change its status.
    """

    polls: LastPolls
    order: NDArray[np.int64]
    is_repeat: Bools
    is_correction: Bools


def deduplicate(store: NDArray[np.int32], at_us: NDArray[np.int64], active: Bools) -> DedupedPolls:
    """Keep the last poll of each store and instant. The polls are given in the order in which they arrived."""
    order = _sort_polls(store, at_us)
    store, at_us, active = store[order], at_us[order], active[order]
    repeat, correction = np.zeros(len(store), np.bool_), np.zeros(len(store), np.bool_)
    repeat[1:] = (store[1:] == store[:-1]) & (at_us[1:] == at_us[:-1])
    if not repeat.any():
        return DedupedPolls(LastPolls(store, at_us, active, active), order, repeat, correction)
    correction[1:] = repeat[1:] & (active[1:] != active[:-1])
    first, last = ~repeat, np.append(~repeat[1:], True)
    polls = LastPolls(store[first], at_us[first], active[first], active[last])
    return DedupedPolls(polls, order, repeat, correction)


def _sort_polls(store: NDArray[np.int32], at_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indexes that sort by (store, at_us); equal polls stay in the order given.

    Both are packed into one integer if they fit, which sorts three times as fast as two columns.
    """
    if not len(store):
        return np.zeros(0, np.int64)
    earliest_us = at_us.min()
    time_bits = int(at_us.max() - earliest_us).bit_length()
    if time_bits + int(store.max()).bit_length() > _INT64_BITS:
        return np.lexsort((at_us, store))
    packed = (store.astype(np.int64) << time_bits) | (at_us - earliest_us)
    order = np.argsort(packed)
    # argsort is not stable: sort equal polls again, by their place.
    packed = packed[order]
    equal = packed[1:] == packed[:-1]
    if equal.any():
        tied = np.append(equal, False) | np.append(False, equal)
        ties = order[tied]
        order[tied] = ties[np.lexsort((ties, packed[tied]))]
    return order
