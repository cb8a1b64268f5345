"""Engine and oracle agree on excluded reasons and on downtime by reason, in 40 zones, under every policy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.batch import StoreHistory
from shared.uptime.policy import POLICIES
from shared.uptime.week_hours import sum_week_hours
from tests.oracle.adjusted import (
    engine_outages,
    engine_reason_times,
    inputs_of,
    measured_terms,
    plain,
)
from tests.oracle.calendars import account_terms
from tests.oracle.engine import engine_window, polls_of
from tests.oracle.outages import outages, reason_times
from tests.property.terms import WINDOWS, Batch, batches, some

excluded_words = st.sampled_from(((), ("busy",), ("paused_by_store",), ("busy", "paused_by_store")))
windows = st.sampled_from(sorted(WINDOWS))
each_policy = pytest.mark.parametrize("policy", POLICIES)


@each_policy
@some
@given(batch=batches(), excluded=excluded_words)
def test_the_engine_leaves_out_what_the_oracle_does(
    policy: str, batch: Batch, excluded: tuple[str, ...]
) -> None:
    stores, as_of_us = batch
    found = measured_terms(stores, as_of_us, policy, WINDOWS, excluded=excluded)
    assert found == [account_terms(*store, as_of_us, policy, WINDOWS, excluded) for store in stores]
    plain_ones = measured_terms(stores, as_of_us, policy, WINDOWS)
    for of_store, before in zip(found, plain_ones, strict=True):
        for name, measures in of_store.items():
            assert measures["scheduled_us"] == before[name]["scheduled_us"]
            assert measures["scheduled_us"] == measures["open_us"] + measures["excluded_us"]
            assert measures["up_min_us"] <= measures["up_max_us"] <= measures["open_us"]
            assert excluded or measures == before[name]


@each_policy
@some
@given(batch=batches(), window=windows, excluded=excluded_words)
def test_the_outages_are_the_oracles(
    policy: str, batch: Batch, window: str, excluded: tuple[str, ...]
) -> None:
    stores, as_of_us = batch
    assert engine_outages(stores, as_of_us, policy, WINDOWS[window], excluded) == [
        outages(*store, as_of_us, policy, WINDOWS[window], excluded) for store in stores
    ]


@each_policy
@some
@given(batch=batches(), window=windows, excluded=excluded_words)
def test_downtime_by_reason_is_the_oracles_and_adds_up(
    policy: str, batch: Batch, window: str, excluded: tuple[str, ...]
) -> None:
    stores, as_of_us = batch
    asked = as_of_us, policy, WINDOWS[window], excluded
    found = engine_reason_times(stores, *asked)
    assert found == [reason_times(zone, terms, polls, *asked) for zone, terms, polls in stores]
    for times, of_store in zip(found, engine_outages(stores, *asked), strict=True):
        assert sum(time.down_us for time in times) == sum(outage.down_us for outage in of_store)
        assert not {time.reason for time in times} & set(excluded)
        assert {time.reason for time in times} - {""} <= {word for one in of_store for word in one.reasons}
    if policy != "hold-scaled":
        measured = measured_terms(stores, as_of_us, policy, {"window": WINDOWS[window]}, excluded=excluded)
        down_us = [of_store["window"]["down_us"] for of_store in measured]
        assert [sum(time.down_us for time in times) for times in found] == down_us


@each_policy
@some
@given(batch=batches(), window=windows, excluded=excluded_words)
def test_hours_of_the_week_add_up_to_the_windows(
    policy: str, batch: Batch, window: str, excluded: tuple[str, ...]
) -> None:
    stores, as_of_us = batch
    hours, adjustments = inputs_of(stores, excluded)
    history = StoreHistory([store.zone for store in stores], hours, polls_of(plain(stores)))
    asked = [engine_window("window", WINDOWS[window])]
    by_hour = sum_week_hours(history, as_of_us, asked, POLICIES[policy], adjustments=adjustments)
    measured = measured_terms(stores, as_of_us, policy, {"window": WINDOWS[window]}, excluded=excluded)
    totals = [of_store["window"] for of_store in measured]
    assert np.sum(by_hour.excluded_us) == sum(total["excluded_us"] for total in totals)
    if policy != "hold-scaled":
        for name in ("up_us", "down_us", "unknown_us"):
            assert np.sum(getattr(by_hour, name)) == sum(total[name] for total in totals)
