"""Says for each of several calls, delivered one after the other, what became of its polls. Knows no database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.ingest.http.live_polls import LivePolls
from services.ingest.write.counts import RowCounts

_ACCEPTED, _DUPLICATE, _CORRECTED = range(3)
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Delivered:
    """The polls of all calls, sorted by (store_key, at_us) and within these in the order of delivery."""

    call: NDArray[np.int64]
    store_key: NDArray[np.int32]
    at_us: NDArray[np.int64]
    active: Bools
    first: Bools  # of its store and instant
    last: Bools

    @classmethod
    def of(cls, calls: Sequence[LivePolls], store_key: NDArray[np.int32]) -> Self:
        """`store_key` has one key for each poll of all calls."""
        call = np.repeat(np.arange(len(calls)), [len(polls) for polls in calls])
        at_us = np.concatenate([polls.at_us for polls in calls])
        active = np.concatenate([polls.active for polls in calls])
        order = np.lexsort((at_us, store_key))  # stable
        key, at = store_key[order], at_us[order]
        first = np.ones(len(key), np.bool_)
        first[1:] = (key[1:] != key[:-1]) | (at[1:] != at[:-1])
        last = np.append(first[1:], True)
        return cls(call[order], key, at, active[order], first, last)

    def counts(self, places: NDArray[np.int64], was_active: Bools) -> list[RowCounts]:
        """The counts of each call, given which of the distinct keys the table had, and with which status."""
        before = np.full(len(self.call), -1, np.int8)  # -1: not known before
        before[1:][~self.first[1:]] = self.active[:-1][~self.first[1:]]
        before[np.flatnonzero(self.first)[places]] = was_active
        outcome = np.where(before < 0, _ACCEPTED, np.where(before == self.active, _DUPLICATE, _CORRECTED))
        calls = int(self.call.max()) + 1
        table = np.bincount(self.call * 3 + outcome, minlength=calls * 3).reshape(calls, 3)
        return [RowCounts(*map(int, row)) for row in table]

    def changed(self, places: NDArray[np.int64], was_active: Bools) -> Bools:
        """Of the distinct keys, those whose row in the table changes."""
        changed = np.ones(int(self.first.sum()), np.bool_)
        changed[places] = was_active != self.active[self.last][places]
        return changed
