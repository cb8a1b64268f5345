"""Reports that use facts have the bytes of reports that read every poll, whatever was committed meanwhile."""

import os
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from prometheus_client import REGISTRY

from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from services.worker.load import one_snapshot, read_stores
from services.worker.part import RenderedPart, render_part
from services.worker.slices import TooManyPolls, render_batch, slice_batch
from shared.ids import new_id
from shared.inputs.batch_input import BatchInput
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
                # Where polls are gone, only facts know the numbers that they gave.
                if with_facts.facts_only is None:
                    assert with_facts == part(conn, InputCache(0, uses_facts=False), batch), batch
            world.change()
    assert used() > before + STEPS / 2


def test_days_whose_polls_are_gone_come_from_facts_and_the_report_says_so(
    database_url: str, worker: WorkerContext, tmp_path: Path
) -> None:
    world = FactsWorld(database_url, tmp_path, 1)
    world.load_polls(
        [(f"store-{n % 3}", "active", START - timedelta(hours=7 * n)) for n in range(1, 24 * 45 // 7)]
    )
    as_of = START + timedelta(days=3)
    asked = {
        "policy": "classic",
        "detail": False,
        "files": ("report",),
        "as_of": as_of,
        "windows": ["month_of:2024-09"],
    }
    batch = Batch(**vars(CacheWorld.batch(world)) | asked)
    build(database_url, worker, START.date() - timedelta(days=50), START.date())
    with psycopg.connect(database_url) as conn:
        conn.rollback()
        before = part(conn, InputCache(0), batch)
        assert before.facts_only is None
        assert before == part(conn, InputCache(0, uses_facts=False), batch)
    with psycopg.connect(database_url) as other:
        for _ in range(3):
            assert other.execute("select drop_oldest_week(%s, %s)", [as_of, new_id()]).fetchone() != (None,)
    # Neither polls that arrive for them later nor the next job change what was known of these days.
    world.load_polls([("store-0", "inactive", as_of - timedelta(days=39))])
    build(database_url, worker, START.date() - timedelta(days=50), START.date())
    with psycopg.connect(database_url) as conn:
        conn.rollback()
        after = part(conn, InputCache(0), batch)
        assert after.facts_only is not None
        assert after.data == before.data
        assert part(conn, InputCache(0, uses_facts=False), batch).data != before.data
        first, last = after.facts_only
        assert first == date(2024, 9, 1)
        dropped = conn.execute("select max(starts_at)::date + 6 from dropped_week").fetchone()
        assert dropped is not None
        assert dropped[0] <= last <= dropped[0] + timedelta(days=4)
    # A change of a day that has polls is counted, beside those that have none.
    world.load_polls([("store-0", "inactive", as_of - timedelta(days=19, minutes=3))])
    with psycopg.connect(database_url) as conn:
        conn.rollback()
        changed = part(conn, InputCache(0), batch)
        assert changed.facts_only == after.facts_only
        assert changed.data != after.data


@pytest.mark.parametrize("uses_facts", [False, True])
def test_a_batch_with_too_many_polls_is_sliced(
    database_url: str, worker: WorkerContext, tmp_path: Path, *, uses_facts: bool
) -> None:
    world = FactsWorld(database_url, tmp_path, 1)
    asked = {"windows": ["P30D"], "as_of": START, "store_keys": None, "detail": False, "files": ("report",)}
    whole = [vars(world.batch()) | asked for _ in range(20)]
    batch = Batch(**max(whole, key=lambda values: values["stores"]))
    assert batch.stores == 3
    build(database_url, worker, START.date() - timedelta(days=40), START.date() - timedelta(days=9))
    cache = InputCache(0, uses_facts=uses_facts)
    with psycopg.connect(database_url) as conn:
        conn.rollback()
        with one_snapshot(conn) as moment:
            stores = read_stores(conn, batch)

            def load(some: Batch) -> BatchInput:
                if some.stores > 1:
                    raise TooManyPolls(slice_batch(batch, stores, 40_000))
                return cache.load_input(conn, some, moment)

            sliced = render_batch(batch, load)
        assert sliced == part(conn, cache, batch)
