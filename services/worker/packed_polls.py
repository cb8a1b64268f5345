"""Polls of a batch in 8 bytes each, for the cache of inputs."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.clock import to_us
from shared.inputs.data_range import DataRange
from shared.inputs.stores import Stores
from shared.uptime.intervals import Int64s, Line
from shared.uptime.states import Polls, in_order


@dataclass(frozen=True)
class PackedPolls:
    """Polls by (store, at_us). `instants`: twice the instant, plus one if active. `counts`: polls of each store."""

    instants: Int64s
    counts: NDArray[np.int32]

    @classmethod
    def pack(cls, polls: Polls, stores: int) -> Self:
        """Pack polls that are in order."""
        counts = np.bincount(polls.store, minlength=stores).astype(np.int32)
        return cls((polls.at_us << 1) | polls.active, counts)

    @classmethod
    def in_order(cls, polls: Polls, stores: Stores, held: DataRange) -> Self:
        """Pack polls of a range that are in no order."""
        last_us = to_us(held.to_time)
        line = Line.covering(to_us(held.from_time), last_us, len(stores.ids))
        ordered, _ = in_order(polls, line, last_us)
        return cls.pack(ordered, len(stores.ids))

    def unpacked(self) -> Polls:
        """Return the same polls as separate arrays."""
        store = np.repeat(np.arange(len(self.counts)), self.counts)
        return Polls(store, self.instants >> 1, (self.instants & 1).astype(np.bool_))

    def followed_by(self, later: Self) -> Self:
        """Return these polls with later ones, each after the polls of its store."""
        places = np.repeat(np.cumsum(self.counts), later.counts)
        return type(self)(np.insert(self.instants, places, later.instants), self.counts + later.counts)

    def narrowed(self, held: DataRange, wanted: DataRange) -> Self:
        """Return what a narrower range needs of these polls, which hold the range `held`."""
        if held.every_from >= wanted.every_from and held.to_time <= wanted.to_time:
            return self
        ends = np.cumsum(self.counts)
        before = self.instants < to_us(wanted.every_from) << 1
        superseded = np.zeros_like(before)
        superseded[:-1] = before[1:]
        # The next poll is of another store.
        superseded[ends[self.counts > 0] - 1] = False
        kept = np.flatnonzero(~superseded & (self.instants < (to_us(wanted.to_time) + 1) << 1))
        counts = np.diff(np.searchsorted(kept, ends), prepend=0)
        return type(self)(self.instants[kept], counts.astype(np.int32))
