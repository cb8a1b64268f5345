"""Random changes while weeks of polls are dropped: reports over days without polls are the sums of the facts that were kept."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared.ids import new_id
from shared.reports.batch import Batch
from tests.integration.facts.test_facts_in_reports import STEPS, FactsWorld, part
from tests.integration.facts.test_facts_walk import Rows, build, stored
from tests.integration.reports.test_input_cache import START, CacheWorld
from tests.oracle.accounting import HOUR_US
from tests.oracle.report import printed_times

FIRST = START.date() - timedelta(days=50)
FIGURES = (
    "scheduled_us",
    "excluded_us",
    "open_us",
    "up_us",
    "down_us",
    "unknown_us",
    "up_min_us",
    "up_max_us",
)


def read_report(conn: psycopg.Connection, world: FactsWorld, window: str) -> tuple[Any, dict[str, Any]]:
    """The days that came from facts alone, and the row of each store, of a report about all stores."""
    asked = {
        "report_id": new_id(),
        "batch_no": 0,
        "policy": "classic",
        "detail": False,
        "files": ("report",),
        "as_of": world.now + timedelta(hours=1),
        "windows": [window],
        "exclude_reasons": (),
    }
    stores = conn.execute(
        "select min(store_id), max(store_id), count(*) from store where polled_since_seq is not null"
    ).fetchone()
    assert stores is not None
    asked |= dict(zip(("first_id", "last_id", "stores"), stores, strict=True), store_keys=None)
    conn.rollback()
    found = part(conn, InputCache(0), Batch(**vars(CacheWorld.batch(world)) | asked))
    rows = csv.DictReader(found.data.decode().splitlines())
    return found.facts_only, {row["store_id"]: row for row in rows}


def sum_facts(facts: Rows, keys: Mapping[str, int], days: list[date]) -> Iterator[tuple[str, dict[str, int]]]:
    """The sums of each store that has a fact for each of the days."""
    for store_id, key in keys.items():
        some = [facts[key, day] for day in days if (key, day) in facts]
        if len(some) == len(days):
            yield store_id, dict(zip(FIGURES, map(sum, zip(*some, strict=True)), strict=False))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reports_are_the_sums_of_the_facts_that_were_kept(
    database_url: str, worker: WorkerContext, tmp_path: Path, seed: int
) -> None:
    world = FactsWorld(database_url, tmp_path, seed)
    world.load_polls(
        [(f"store-{n % 3}", "active", START - timedelta(hours=7 * n)) for n in range(1, 24 * 45 // 7)]
    )
    mondays = [day for n in range(45) if (day := FIRST + timedelta(days=n)).weekday() == 0]
    compared = Counter[bool]()
    for _ in range(STEPS):
        build(database_url, worker, FIRST, world.now.date())
        facts = stored(database_url)
        with psycopg.connect(database_url) as conn:
            keys: dict[str, int] = dict(conn.execute("select store_id, store_key from store").fetchall())
            for monday in world.random.sample(mondays, 2):
                window = f"week_of:{monday:%G-W%V}"
                facts_only, rows = read_report(conn, world, window)
                name = window.replace(":", "_").replace("-", "_").lower()
                for store_id, sums in sum_facts(facts, keys, [monday + timedelta(days=n) for n in range(7)]):
                    if store_id in rows:
                        shown = printed_times(sums, HOUR_US)
                        row = rows[store_id]
                        found = (row[f"uptime_{name}"], row[f"downtime_{name}"])
                        assert found == (shown["up_us"], shown["down_us"]), (store_id, window)
                        compared[facts_only is not None] += 1
        world.change()
        if world.random.random() < 0.4:
            with psycopg.connect(database_url) as other:
                other.execute("select drop_oldest_week(%s, %s)", [world.now - timedelta(days=10), new_id()])
    assert min(compared[True], compared[False]) > STEPS / 2, "some of the days have no polls"
