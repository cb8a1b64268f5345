"""Reports that use facts have the bytes of reports that read every poll, whatever was committed meanwhile."""

import os
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from prometheus_client import REGISTRY

from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from services.worker.load import one_snapshot
from services.worker.part import RenderedPart, render_part
from shared.ids import new_id
from shared.reports.batch import Batch
from tests.integration.facts.test_facts_walk import build
from tests.integration.reports.test_input_cache import ROOMY, START, CacheWorld

STEPS = int(os.environ.get("FACTS_STEPS", "12"))
WINDOWS = (
    ["P30D"],
    ["P20D", "P1D", "last_hour"],
    ["previous_month", "month_to_date"],
    ["month_of:2024-10", "last_week"],
    ["week_of:2024-W41", "day_of:2024-10-13", "P12D"],
    ["year_to_date"],
    ["previous_quarter", "PT1H"],
    ["P15D", "before:P15D"],
    ["previous_month", "before:previous_month", "before:month_to_date"],
)


class FactsWorld(CacheWorld):
    """A world whose reports have long windows, mostly as of some time after its polls."""

    def batch(self) -> Batch:
        batch = super().batch()
        ahead = self.random.choice([0, 1, 49, 72, 200, 900])
        values = vars(batch) | {
            "report_id": new_id(),
            "policy": "classic",
            "detail": self.random.random() < 0.1,
            "files": ("report",),
            "windows": self.random.choice(WINDOWS),
            "as_of": self.now + timedelta(hours=ahead, minutes=self.random.randrange(60)),
        }
        return Batch(**values)


def part(conn: psycopg.Connection, cache: InputCache, batch: Batch) -> RenderedPart:
    with one_snapshot(conn) as moment:
        return render_part(batch, cache.load_input(conn, batch, moment))


def used() -> float:
    return REGISTRY.get_sample_value("uptill_batch_inputs_total", {"source": "facts"}) or 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_they_are_the_reports_of_all_polls(
    database_url: str, worker: WorkerContext, tmp_path: Path, seed: int
) -> None:
    world, before = FactsWorld(database_url, tmp_path, seed), used()
    with psycopg.connect(database_url) as conn:
        conn.rollback()
        for step in range(STEPS):
            if step % 3 == 0:
                last = date(2024, 11, 1) if world.random.random() < 0.7 else world.now.date()
                build(database_url, worker, START.date() - timedelta(days=40), last)
            for _ in range(4):
                batch = world.batch()
                with_facts = part(conn, InputCache(ROOMY), batch)
                assert with_facts == part(conn, InputCache(0, uses_facts=False), batch), batch
            world.change()
    assert used() > before + STEPS / 2
