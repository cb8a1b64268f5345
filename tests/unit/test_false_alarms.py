"""Fleets whose stores go down at random: rules for any label open no more incidents than they may."""

import numpy as np
import pytest

from shared.incidents.chance import FLEET, GroupCounts
from shared.incidents.groups import DownStores
from shared.incidents.live_store import MINUTE_US, WatchedStore
from shared.incidents.terms import RuleKind, RuleTerms

STORES, DAYS, STEP_MINUTES, RATE = 600, 15, 10, 0.02
LABELS = [
    {"region": f"r{place // 100}", "franchise": f"f{place // 15}", "kind": f"k{place % 4}"}
    for place in range(STORES)
]


def alarms(allowed: float, seed: int, days: int = DAYS, usual: float | None = None) -> int:
    """Count the groups that were not there before. Each store is polled hourly at a minute of its own, and down in each poll at random."""
    draws = np.random.default_rng(seed)
    minute = draws.integers(0, 60, STORES)
    down = draws.random((days * 24, STORES)) < RATE
    terms = RuleTerms(RuleKind.GROUP_DOWN, parameters={"by": "*", "false_alarms_per_year": allowed})
    sizes = {
        f"{name}={value}": sum(labels[name] == value for labels in LABELS)
        for name in LABELS[0]
        for value in {labels[name] for labels in LABELS}
    }
    rates = {} if usual is None else {FLEET: usual}
    found = 0
    before: set[str] = set()
    for at in range(60, days * 24 * 60, STEP_MINUTES):
        hour = (at - minute) // 60
        is_down = down[hour, np.arange(STORES)]
        is_old = is_down & down[np.maximum(hour - 1, 0), np.arange(STORES)]
        watched = [
            WatchedStore(
                place + 1,
                LABELS[place],
                "down",
                None,
                (int(hour[place]) * 60 + int(minute[place])) * MINUTE_US,
                None,
                None,
                None,
                None,
                1,
                0,
                None,
            )
            for place in np.flatnonzero(is_down & ~is_old).tolist()
        ]
        up = dict(sizes)
        for place in np.flatnonzero(is_down).tolist():
            for name, value in LABELS[place].items():
                up[f"{name}={value}"] -= 1
        counts = GroupCounts(sizes, up, STORES, STORES - int(is_down.sum()), rates)
        stores = DownStores(terms, watched, counts, at * MINUTE_US)
        now = set()
        for subject, group in stores.groups():
            stores.take(group.runs)
            now.add(subject)
        found += len(now - before)
        before = now
    return found


@pytest.mark.parametrize("usual", [None, RATE])
def test_chance_opens_no_more_incidents_than_a_rule_allows(usual: float | None) -> None:
    found = alarms(2 * 365, seed=3, usual=usual)
    assert found <= 2 * DAYS
    assert alarms(10_000, seed=3, usual=usual) > found, "the limit decides"
