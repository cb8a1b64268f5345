"""Polls with their ledger numbers, as columns. Must not know where they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.uptime.intervals import Int64s

# 2000-01-01, from which Postgres counts.
_POSTGRES_EPOCH_US = 946_684_800_000_000
_RECORD = np.dtype([("store_key", ">i4"), ("at_us", ">i8"), ("active", "?"), ("seq", ">i8")])


@dataclass(frozen=True)
class SealedRows:
    """Polls of stores given by their keys. `seq`: of the change that brought each poll; 0 if that is not known."""

    store_key: Int64s
    at_us: Int64s
    active: NDArray[np.bool_]
    seq: Int64s

    def __len__(self) -> int:
        return len(self.at_us)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the polls in a row of records, as the query `week_polls` packs them."""
        rows = np.frombuffer(packed, _RECORD)
        return cls(
            rows["store_key"].astype(np.int64),
            rows["at_us"].astype(np.int64) + _POSTGRES_EPOCH_US,
            rows["active"].astype(np.bool_),
            rows["seq"].astype(np.int64),
        )

    @classmethod
    def join(cls, some: Sequence[Self]) -> Self:
        """Return the polls of all of these, one after another."""
        if not some:
            empty = np.zeros(0, np.int64)
            return cls(empty, empty, np.zeros(0, np.bool_), empty)
        columns = ("store_key", "at_us", "active", "seq")
        return cls(*(np.concatenate([getattr(rows, name) for rows in some]) for name in columns))

    def packed(self) -> bytes:
        """Return fixed-width records: equal polls in equal order give equal bytes."""
        rows = np.empty(len(self), _RECORD)
        rows["store_key"], rows["at_us"] = self.store_key, self.at_us - _POSTGRES_EPOCH_US
        rows["active"], rows["seq"] = self.active, self.seq
        return rows.tobytes()

    def pick(self, which: NDArray[np.bool_] | Int64s) -> Self:
        """Return the polls that a mask or indexes choose."""
        return type(self)(self.store_key[which], self.at_us[which], self.active[which], self.seq[which])
