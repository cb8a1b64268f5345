"""What a run of insights keeps in memory hardly depends on the number of stores."""

import tracemalloc

import numpy as np

from services.worker.insights.fit import fit_fleet
from tests.unit.test_insights import fleet

FEW, MANY, CHUNK = 250, 1_500, 250
MOST_BYTES = 100  # a store; sums by day alone would take 448


def peak_bytes(stores: int) -> int:
    """Return the most memory at once while the methods are fitted to a fleet of four regions."""
    rates = np.random.default_rng(stores).beta(1, 9, (stores, 1, 1))
    chunks = fleet(rates, seed=1, chunk=CHUNK, outage_hours=3)
    groups = {"region": (np.arange(stores) % 4).astype(np.int32)}
    tracemalloc.start()
    try:
        fit_fleet(chunks, groups)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_more_stores_take_hardly_more_memory() -> None:
    # What is imported or kept once is there before.
    peak_bytes(CHUNK)
    few, many = peak_bytes(FEW), peak_bytes(MANY)
    assert many - few <= MOST_BYTES * (MANY - FEW), (few, many)
