"""A fleet in chunks of stores, so that memory does not grow with it. Every pass reads the chunks again.

A scan gathers in one pass what a method needs, and keeps hardly anything of a single store. Scans that do not need each other
share a pass.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.insights.history import HourHistory

# Places of stores in the fleet, or indexes of groups: four bytes, because one is kept for each store.
Places = NDArray[np.int32]
# By label name, the index of each store's value in the order of the fleet; -1 without the label.
GroupsByLabel = Mapping[str, Places]


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

    def places_of(self, subjects: Places) -> NDArray[np.int64]:
        """Return the indexes of those places of the fleet that lie in this chunk."""
        return np.flatnonzero((subjects >= self.first) & (subjects < self.last))


# Yields the chunks in order, the same each time.
Chunks = Callable[[], Iterator[FleetChunk]]


class Scan(Protocol):
    """What gathers something from each chunk of a pass."""

    def add(self, chunk: FleetChunk) -> None:
        """Take a chunk. Chunks come in order."""


def scan_fleet(chunks: Chunks, *scans: Scan) -> None:
    """Pass over the fleet once for all these scans."""
    for chunk in chunks():
        for scan in scans:
            scan.add(chunk)


def group_count(of_store: Places) -> int:
    """Return how many groups there are."""
    return int(of_store.max(initial=-1)) + 1
