"""Sums by hour of the local week are the oracle's, in 40 zones, around changes of clocks, and add up to the measures."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings

from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.policy import POLICIES, NoData
from shared.uptime.week_hours import sum_week_hours
from shared.uptime.window import parse_window
from tests.oracle.adjusted import inputs_of, plain
from tests.oracle.engine import polls_of
from tests.oracle.summary import SummaryStore, Times, bounds_of, hours_in, sum_hours
from tests.property.terms import Batch, batches

WINDOWS: Mapping[str, int | str] = {"last_day": 86_400_000_000, "previous_week": "previous_week"}


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=12, deadline=None)
@given(batch=batches())
def test_hours_of_the_week_are_the_oracles(policy: str, batch: Batch) -> None:
    stores, as_of_us = batch
    hours, adjustments = inputs_of(stores)
    windows = [parse_window(name) for name in WINDOWS]
    history = StoreHistory([store.zone for store in stores], hours, polls_of(plain(stores)))
    found = sum_week_hours(history, as_of_us, windows, POLICIES[policy], adjustments=adjustments)
    for number, window in enumerate(WINDOWS.values()):
        expected = sum_hours(
            [
                hours_in(some, as_of_us, policy, bounds_of(some, as_of_us, window))
                for some in (SummaryStore(s.zone, {}, s.terms, s.polls) for s in stores)
            ]
        )
        times = [getattr(found, field)[number].tolist() for field in Times._fields]
        assert [Times(*some) for some in zip(*times, strict=True)] == expected
    if POLICIES[policy].no_data is not NoData.SCALE:
        measures = measure_batch(
            history, as_of_us, windows, POLICIES[policy], detail=False, adjustments=adjustments
        )
        for field in Times._fields:
            assert np.array_equal(getattr(found, field).sum(axis=1), getattr(measures, field).sum(axis=0))
