"""Row by row semantics within one chunk, vectorised: of the polls of one store and instant the last one wins.

The first poll of a key is compared with the database, each later one with the one before it: the same status is a
duplicate, another one a correction.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Deliveries:
    """Distinct keys in the order (store_key, at_us): the status that came first, and the one that came last."""

    store_key: NDArray[np.int32]
    at_us: NDArray[np.int64]
    first_active: Bools
    active: Bools

    def __len__(self) -> int:
        return len(self.store_key)

    def where(self, mask: Bools) -> Self:
        """Those that the mask picks."""
        return type(self)(self.store_key[mask], self.at_us[mask], self.first_active[mask], self.active[mask])


@dataclass(frozen=True)
class Settled:
    """What one chunk delivers, and the counts of the polls that it overtook itself."""

    deliveries: Deliveries
    duplicate: int
    corrected: int


def settle(store_key: NDArray[np.int32], at_us: NDArray[np.int64], active: Bools) -> Settled:
    """Sort the polls, given in the order of delivery, and settle those with the same key."""
    order = np.lexsort((at_us, store_key))  # stable, so equal keys stay in the order of delivery
    key, at, status = store_key[order], at_us[order], active[order]
    again = np.zeros(len(key), np.bool_)
    again[1:] = (key[1:] == key[:-1]) & (at[1:] == at[:-1])
    if not again.any():
        return Settled(Deliveries(key, at, status, status), 0, 0)
    changed = np.zeros(len(key), np.bool_)
    changed[1:] = again[1:] & (status[1:] != status[:-1])
    first, last = ~again, np.append(~again[1:], True)  # of each key
    corrected = int(changed.sum())
    deliveries = Deliveries(key[first], at[first], status[first], status[last])
    return Settled(deliveries, int(again.sum()) - corrected, corrected)
