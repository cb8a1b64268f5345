"""Local days equal what the oracle computes for each of them alone, and add up to longer windows."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.bounds import bounds_us
from shared.uptime.days import DayMeasures, day_edges_us, measure_days, without_later_polls
from shared.uptime.kernel import Measures
from shared.uptime.policy import POLICIES, can_add_days, later_us
from shared.uptime.states import Polls
from shared.uptime.whole_days import WholeDays, measure_with_days
from shared.uptime.window import parse_window
from tests.oracle.accounting import DAY_US, EPOCH
from tests.oracle.adjusted import TermsStore, inputs_of, plain
from tests.oracle.calendars import account_terms
from tests.oracle.engine import numbers, polls_of
from tests.oracle.outages import outages
from tests.property.stores import durations_us
from tests.property.terms import Batch, batches, some


def local_days(
    stores: list[TermsStore], first: date, days: int, policy: str, polls: Polls | None = None
) -> DayMeasures:
    hours, adjustments = inputs_of(stores)
    given = polls_of(plain(stores)) if polls is None else polls
    history = StoreHistory([store.zone for store in stores], hours, given)
    return measure_days(history, first, days, POLICIES[policy], adjustments=adjustments)


def drawn_day(as_of_us: int, ago: int) -> date:
    return (EPOCH + timedelta(microseconds=as_of_us)).date() - timedelta(days=ago)


@pytest.mark.parametrize("policy", POLICIES)
@some
@given(batch=batches(), ago=st.integers(0, 9), later=durations_us(3 * DAY_US))
def test_each_day_is_the_oracles(policy: str, batch: Batch, ago: int, later: int) -> None:
    stores, as_of_us = batch
    first = drawn_day(as_of_us, ago)
    found = local_days(stores, first, 3, policy)
    edges_us = day_edges_us([store.zone for store in stores], first, 3)
    for number, store in enumerate(stores):
        for day in range(3):
            # Any instant at which the day is final sees the same.
            seen_us = int(edges_us[number, day + 1]) + later_us(POLICIES[policy]) + later
            text = f"day_of:{first + timedelta(days=day)}"
            expected = account_terms(*store, seen_us, policy, {text: text})[text]
            assert numbers(found.measures, number, day) == expected
            begun = [
                outage for outage in outages(*store, seen_us, policy, text) if not outage.starts_before_window
            ]
            assert found.outages[number, day] == len(begun)


@pytest.mark.parametrize("policy", POLICIES)
@some
@given(batch=batches(), ago=st.integers(0, 12))
def test_of_the_polls_after_the_days_the_first_one_of_each_store_is_enough(
    policy: str, batch: Batch, ago: int
) -> None:
    stores, as_of_us = batch
    first = drawn_day(as_of_us, ago)
    ends_us = int(day_edges_us([store.zone for store in stores], first, 3).max())
    polls = polls_of(plain(stores))
    fewer = without_later_polls(polls, ends_us)
    later = fewer.store[fewer.at_us >= ends_us]
    assert sorted(later) == sorted({*polls.store[polls.at_us >= ends_us]})
    found, expected = local_days(stores, first, 3, policy, fewer), local_days(stores, first, 3, policy)
    np.testing.assert_array_equal(found.outages, expected.outages)
    for name in Measures.__slots__:
        np.testing.assert_array_equal(getattr(found.measures, name), getattr(expected.measures, name))


@pytest.mark.parametrize("policy", [name for name, policy in POLICIES.items() if can_add_days(policy)])
@some
@given(batch=batches(), ago=st.integers(0, 60))
def test_days_add_up_to_weeks_and_months(policy: str, batch: Batch, ago: int) -> None:
    stores, as_of_us = batch
    day = drawn_day(as_of_us, ago)
    hours, adjustments = inputs_of(stores)
    history = StoreHistory([store.zone for store in stores], hours, polls_of(plain(stores)))
    for text in (f"week_of:{day:%G-W%V}", f"month_of:{day:%Y-%m}"):
        window = parse_window(text)
        assert window.dates is not None
        first, until = window.dates.first, window.dates.until
        found = local_days(stores, first, (until - first).days, policy)
        seen_us = as_of_us + 100 * DAY_US
        whole = measure_batch(history, seen_us, [window], POLICIES[policy], adjustments=adjustments)
        for name in Measures.__slots__:
            np.testing.assert_array_equal(
                getattr(found.measures, name).sum(axis=1), getattr(whole, name)[:, 0]
            )


@pytest.mark.parametrize("policy", [name for name, policy in POLICIES.items() if can_add_days(policy)])
@some
@given(batch=batches(), ago=st.integers(0, 12), number=st.integers(1, 6), known=st.booleans())
def test_known_days_and_polls_around_them_give_the_whole_window(
    policy: str, batch: Batch, ago: int, number: int, known: bool
) -> None:
    stores, until_us = batch
    rules = POLICIES[policy]
    zones = [store.zone for store in stores]
    windows = [parse_window(text) for text in ("P20D", "month_to_date")]
    first = drawn_day(until_us, ago + number)
    edges_us = day_edges_us(zones, first, number)
    as_of_us = int(edges_us.max()) + later_us(rules) + DAY_US
    hours, adjustments = inputs_of(stores)
    history = StoreHistory(zones, hours, polls_of(plain(stores)))
    starts_us, _ = bounds_us(windows, as_of_us, zones)
    inside = (starts_us <= edges_us[:, [0]]) & known
    from_us = np.where(inside, edges_us[:, [0]], starts_us)
    measures = local_days(stores, first, number, policy).measures
    sums = {
        name: np.where(inside, getattr(measures, name).sum(axis=1)[:, None], 0)
        for name in ("excluded_us", "open_us", "up_us", "down_us", "unknown_us")
    }
    days = WholeDays(from_us, np.where(inside, edges_us[:, [-1]], starts_us), **sums)
    found = measure_with_days(history, as_of_us, windows, rules, days, adjustments=adjustments)
    whole = measure_batch(history, as_of_us, windows, rules, detail=False, adjustments=adjustments)
    for name in sums:
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
