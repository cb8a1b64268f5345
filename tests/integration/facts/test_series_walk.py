"""What a series counts is never out of date, whatever was committed since the facts were computed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.use_cases import read_facts
from services.worker.context import WorkerContext
from shared.facts.holding import FEW_STORES
from tests.integration.facts.test_facts_walk import FIRST, LAST, STEPS, build
from tests.integration.reports.test_input_cache import CacheWorld


def by_store(api: TestClient, database_url: str) -> dict[Any, dict[str, Any]]:
    """The row of each store and date."""
    found = {}
    with psycopg.connect(database_url) as conn:
        stores = conn.execute("select store_id from store where polled_since_seq is not null").fetchall()
    for (store_id,) in stores:
        asked = {"store": store_id, "first_day": f"{FIRST}", "last_day": f"{LAST}"}
        answer = api.get("/v1/series", params=asked)
        assert answer.status_code == 200, answer.json()
        found.update({(store_id, row["period"]): row for row in answer.json()["rows"]})
    return found


@pytest.mark.parametrize(("seed", "few"), [(1, FEW_STORES), (2, 0), (3, 0)])
def test_counted_days_are_those_that_would_be_computed_again(
    api: TestClient,
    database_url: str,
    worker: WorkerContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    few: int,
) -> None:
    """Whether facts are read by store or packed."""
    monkeypatch.setattr(read_facts, "FEW_STORES", few)
    world, kept = CacheWorld(database_url, tmp_path, seed), 0
    for _ in range(STEPS):
        build(database_url, worker, FIRST - timedelta(days=3), LAST)
        world.change()
        before = by_store(api, database_url)
        build(database_url, worker, FIRST - timedelta(days=3), LAST)
        after = by_store(api, database_url)
        counted = {cell: row for cell, row in before.items() if not row["days_missing"]}
        assert counted == {cell: after[cell] for cell in counted}
        kept += len(counted)
    assert kept
