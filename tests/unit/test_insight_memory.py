"""What a run of insights keeps in memory hardly depends on the number of stores."""

import tracemalloc

import numpy as np
import pytest

from services.worker.insights.fit import fit_fleet
from shared.insights.hours import count_minutes, count_open_minutes
from shared.uptime import calendar
from shared.uptime.batch import StoreHistory
from shared.uptime.bounded_cache import BoundedCache
from shared.uptime.calendar import Hours, spans_of
from shared.uptime.policy import DAY_US
from shared.uptime.states import Polls
from tests.unit.test_insights import LAST_DAY, fleet

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


def test_counting_hours_keeps_no_spans_of_reports_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    # The cache of the process is full after other tests, and a full one evicts at random.
    cache = BoundedCache[calendar._CacheKey, calendar._PackedSpans](calendar._CACHE_BYTES)
    monkeypatch.setattr(calendar, "_SPAN_CACHE", cache)
    columns = ([0] * 7, range(7), [36_000] * 7, [79_200] * 7)
    hours = Hours(*(np.array(column, dtype=np.int64) for column in columns))
    no_polls = Polls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_))
    stores = StoreHistory(["Asia/Kathmandu"], hours, no_polls)
    count_minutes(stores, LAST_DAY - 13, 14)
    count_open_minutes(stores, LAST_DAY, 9)
    assert not cache._entries
    spans_of(stores.zones, hours, LAST_DAY * DAY_US, (LAST_DAY + 1) * DAY_US)
    assert len(cache._entries) == 1
