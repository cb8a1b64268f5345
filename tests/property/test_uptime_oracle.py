"""The engine and the oracle agree on any batch of stores, for every policy."""

import pytest
from hypothesis import given, settings

from shared.uptime.policy import POLICIES
from tests.oracle.accounting import DAY_US, HOUR_US, account
from tests.oracle.engine import Store, measured
from tests.property.stores import WINDOWS, batches

CALENDAR: dict[str, int | str] = {
    "previous_day": "previous_day",
    "previous_week": "previous_week",
    "month_to_date": "month_to_date",
    "previous_month": "previous_month",
}
OTHER_LENGTHS: dict[str, int | str] = {"last_6h": 6 * HOUR_US, "last_30d": 30 * DAY_US, "last_1s": 1_000_000}


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=80, deadline=None)
@given(batch=batches())
def test_engine_is_oracle(policy: str, batch: tuple[list[Store], int]) -> None:
    stores, as_of_us = batch
    assert measured(stores, as_of_us, policy, WINDOWS) == [
        account(*store, as_of_us, policy, WINDOWS) for store in stores
    ]


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40, deadline=None)
@given(batch=batches())
def test_windows_of_any_length_and_of_the_calendar(policy: str, batch: tuple[list[Store], int]) -> None:
    stores, as_of_us = batch
    windows = CALENDAR | OTHER_LENGTHS
    assert measured(stores, as_of_us, policy, windows) == [
        account(*store, as_of_us, policy, windows) for store in stores
    ]
