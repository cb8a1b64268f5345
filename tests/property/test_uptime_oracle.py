"""The engine and the oracle agree on any batch of stores, for every policy."""

import pytest
from hypothesis import given, settings

from shared.uptime.policy import POLICIES
from tests.oracle.accounting import account
from tests.oracle.engine import Store, measured
from tests.property.stores import WINDOWS, batches


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=80, deadline=None)
@given(batch=batches())
def test_engine_is_oracle(policy: str, batch: tuple[list[Store], int]) -> None:
    stores, as_of_us = batch
    assert measured(stores, as_of_us, policy, WINDOWS) == [
        account(*store, as_of_us, policy, WINDOWS) for store in stores
    ]
