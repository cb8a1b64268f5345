"""Random numbers as pure functions of seed, purpose and index. Must not know stores or polls.

It uses only integer arithmetic and exact float operations, so the numbers are the same on every machine and with every
version of numpy.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The constants of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53


@dataclass(frozen=True)
class Draws:
    """All random numbers of one data set, addressed by purpose and index, not by order of use."""

    seed: int

    def bits(self, purpose: str, index: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return 64 independent bits for each index (>= 0, any shape)."""
        digest = hashlib.sha256(f"{self.seed}:{purpose}".encode()).digest()
        state = np.atleast_1d(index).astype(np.uint64)
        state *= _GOLDEN
        state += np.uint64(int.from_bytes(digest[:8], "little"))
        state ^= state >> np.uint64(30)
        state *= _MIX_1
        state ^= state >> np.uint64(27)
        state *= _MIX_2
        state ^= state >> np.uint64(31)
        return state

    def uniform(self, purpose: str, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return a number in [0, 1) for each index."""
        return (self.bits(purpose, index) >> np.uint64(11)).astype(np.float64) * _UNIT

    def ranks(self, purpose: str, count: int) -> NDArray[np.int64]:
        """Return a random permutation of 0 .. count - 1."""
        order = np.argsort(self.bits(purpose, np.arange(count)), kind="stable")
        ranks = np.empty(count, np.int64)
        ranks[order] = np.arange(count)
        return ranks

    def categories(self, purpose: str, count: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a category for each of `count` items. The proportions match `weights` to within one item."""
        total = int(weights.sum())
        position = (2 * self.ranks(purpose, count) + 1) * total // (2 * count)
        return np.searchsorted(np.cumsum(weights), position, side="right").astype(np.int64)
