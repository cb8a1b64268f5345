"""Row by row semantics within one chunk, vectorised: of the polls of one store and instant the last one wins.

A store is any integer here: the chunk's own number of it, or its key.

The first poll of a key is compared with the database, each later one with the one before it: the same status is a
duplicate, another one a correction.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
_INT64_BITS = 63  # without the sign


@dataclass(frozen=True)
class Deliveries:
    """Distinct polls in the order (store, at_us): the status that came first, and the one that came last."""

    store: NDArray[np.int32]
    at_us: NDArray[np.int64]
    first_active: Bools
    active: Bools

    def __len__(self) -> int:
        return len(self.store)

    def where(self, picked: Bools | NDArray[np.int64]) -> Self:
        """Those that a mask picks, or those at these places."""
        return type(self)(
            self.store[picked], self.at_us[picked], self.first_active[picked], self.active[picked]
        )


@dataclass(frozen=True)
class Settled:
    """What one chunk delivers, and the counts of the polls that it overtook itself."""

    deliveries: Deliveries
    duplicate: int
    corrected: int


def settle(store: NDArray[np.int32], at_us: NDArray[np.int64], active: Bools) -> Settled:
    """Sort the polls, given in the order of delivery, and settle those with the same store and instant."""
    order = _order(store, at_us)
    store, at_us, active = store[order], at_us[order], active[order]
    again = np.zeros(len(store), np.bool_)
    again[1:] = (store[1:] == store[:-1]) & (at_us[1:] == at_us[:-1])
    if not again.any():
        return Settled(Deliveries(store, at_us, active, active), 0, 0)
    changed = np.zeros(len(store), np.bool_)
    changed[1:] = again[1:] & (active[1:] != active[:-1])
    first, last = ~again, np.append(~again[1:], True)  # of each store and instant
    corrected = int(changed.sum())
    deliveries = Deliveries(store[first], at_us[first], active[first], active[last])
    return Settled(deliveries, int(again.sum()) - corrected, corrected)


def _order(store: NDArray[np.int32], at_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """What sorts by (store, at_us), equal ones in the order given.

    Both are packed into one integer where they fit, which sorts three times as fast as two.
    """
    if not len(store):
        return np.zeros(0, np.int64)
    earliest_us = at_us.min()
    time_bits = int(at_us.max() - earliest_us).bit_length()
    if time_bits + int(store.max()).bit_length() > _INT64_BITS:
        return np.lexsort((at_us, store))
    packed = (store.astype(np.int64) << time_bits) | (at_us - earliest_us)
    order = np.argsort(packed)  # not stable
    packed = packed[order]
    equal = packed[1:] == packed[:-1]
    if equal.any():
        tied = np.append(equal, False) | np.append(False, equal)
        ties = order[tied]
        order[tied] = ties[np.lexsort((ties, packed[tied]))]
    return order
