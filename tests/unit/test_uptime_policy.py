"""The registry of policies, and what makes one impossible."""

import pytest

from shared.uptime.policy import (
    DAY_US,
    DEFAULT_POLICY,
    HOUR_US,
    MINUTE_US,
    POLICIES,
    POLICY_VERSION,
    Edges,
    Fill,
    Policy,
    history_us,
)
from tests.oracle.accounting import RULES

VERSION_2 = {
    "classic": ("nearest", 24, "unknown", 0, "extend", "span"),
    "strict": ("nearest", 2, "unknown", 0, "extend", "span"),
    "hold": ("previous", 24, "unknown", 0, "extend", "span"),
    "hold-scaled": ("previous", 24, "scale", 0, "extend", "span"),
    "backfill-1m": ("next", 24, "down", 1, "down_after_last", "span"),
    "slots-15m": ("previous", 24, "unknown", 15, "extend", "span"),
    "carry": ("previous", 7 * 24, "unknown", 0, "none", "all"),
}


def test_the_registry_is_version_2() -> None:
    assert POLICY_VERSION == 2
    assert {
        name: (
            policy.fill,
            policy.horizon_us // HOUR_US,
            policy.no_data,
            policy.slot_us // MINUTE_US,
            policy.edges,
            policy.scope,
        )
        for name, policy in POLICIES.items()
    } == VERSION_2
    assert all(policy.name == name for name, policy in POLICIES.items())
    assert DEFAULT_POLICY in POLICIES
    assert set(RULES) == set(POLICIES)


def test_history_is_two_horizons_and_a_slot_or_one_where_polls_speak_forward_only() -> None:
    assert history_us(POLICIES["carry"]) == 7 * DAY_US
    assert history_us(POLICIES["strict"]) == 4 * HOUR_US
    assert history_us(POLICIES["slots-15m"]) == 2 * DAY_US + 15 * MINUTE_US


def test_down_after_last_needs_unknown_time_to_be_down() -> None:
    with pytest.raises(ValueError, match="no_data = down"):
        Policy("endless", Fill.NEXT, DAY_US, edges=Edges.DOWN_AFTER_LAST)
