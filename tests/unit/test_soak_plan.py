"""The soak's plan is a function of its seed, and lets no two faults of one target overlap."""

from collections import defaultdict
from itertools import pairwise

import pytest

from tests.chaos.soak.plan import HABITS, Fault, plan

SEEDS = [str(seed) for seed in range(20)]
TARGETS = ["worker-1", "worker-2", "api", "ingest", "scheduler", "valkey", "postgres", "seaweedfs", "parts"]


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan("1", 180, TARGETS) == plan("1", 180, TARGETS)
    assert plan("1", 180, TARGETS) != plan("2", 180, TARGETS)


@pytest.mark.parametrize("seconds", [15, 180])
@pytest.mark.parametrize("seed", SEEDS)
def test_faults_of_a_target_follow_each_other_and_all_end(seed: str, seconds: float) -> None:
    faults_of: dict[str, list[Fault]] = defaultdict(list)
    for fault in plan(seed, seconds, TARGETS):
        faults_of[fault.target].append(fault)
    for faults in faults_of.values():
        assert all(a.at_s + a.lasts_s < b.at_s for a, b in pairwise(faults))
        assert faults[-1].at_s + faults[-1].lasts_s <= seconds


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_soak_does_everything_to_everyone(seed: str) -> None:
    done = {
        (fault.target.rpartition("-")[0] or fault.target, fault.kind) for fault in plan(seed, 180, TARGETS)
    }
    assert done == {(target, kind) for target, habit in HABITS.items() for kind in habit.kinds}


@pytest.mark.parametrize("seed", SEEDS)
def test_even_a_short_soak_kills_every_worker(seed: str) -> None:
    killed = {fault.target for fault in plan(seed, 15, TARGETS) if fault.kind == "kill"}
    assert {"worker-1", "worker-2"} <= killed
