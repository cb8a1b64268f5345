"""A level that is evaluated from facts has the numbers of one that reads every poll, whatever was committed meanwhile."""

import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest

from services.worker.context import WorkerContext
from services.worker.levels.evaluate import LevelEvaluation, evaluate_level
from services.worker.load import one_snapshot
from shared.service_levels.terms import LevelTerms
from shared.uptime.level_period import LevelPeriod
from shared.uptime.service_level import ExcludedTime, UnknownTime
from tests.integration.facts.test_facts_walk import build
from tests.integration.reports.test_input_cache import START, CacheWorld

STEPS = int(os.environ.get("LEVEL_STEPS", "8"))
LEVELS = (
    LevelTerms(0.97),
    LevelTerms(
        0.9,
        period=LevelPeriod.ROLLING_30_DAYS,
        unknown=UnknownTime.DOWN,
        excluded=ExcludedTime.UP,
        caps={"holiday": 3.5, "other": 0},
    ),
)


def evaluated(url: str, terms: LevelTerms, world: CacheWorld, *, with_facts: bool) -> LevelEvaluation:
    with psycopg.connect(url) as conn:
        if not with_facts:
            conn.execute("create temporary table store_day (like public.store_day)")
            conn.execute("create temporary table store_day_mark (like public.store_day_mark)")
            conn.commit()
        with one_snapshot(conn) as snapshot:
            return evaluate_level(conn, terms, snapshot, world.now, 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_facts_and_polls_give_the_same_rows(
    database_url: str, worker: WorkerContext, tmp_path: Path, seed: int
) -> None:
    world = CacheWorld(database_url, tmp_path, seed)
    seen = 0
    for step in range(STEPS):
        if step % 3 == 0:
            first = (START - timedelta(days=70)).date()
            build(database_url, worker, first, world.now.date() + timedelta(days=1))
        for terms in LEVELS:
            found = evaluated(database_url, terms, world, with_facts=True)
            expected = evaluated(database_url, terms, world, with_facts=False)
            # Polls that were dropped are left in facts only.
            whole = np.flatnonzero(expected.rows[:, -1] == 0)
            assert found.rows[whole].tolist() == expected.rows[whole].tolist()
            assert (found.rows[:, -1] <= expected.rows[:, -1]).all()
            seen += len(whole)
        world.change()
    assert seen
