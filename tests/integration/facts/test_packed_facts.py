"""Packed facts: who packs them again, and when."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.use_cases import read_facts
from services.worker.context import WorkerContext
from shared.db.migrate import migrate
from shared.facts.packed_facts import pack_facts
from tests.integration.facts.test_facts_walk import FIRST, LAST, build, packed, stored
from tests.integration.reports.test_input_cache import START, CacheWorld

MONTHS = {"first_day": f"{FIRST}", "last_day": f"{LAST}"}


@pytest.fixture
def world(
    database_url: str, worker: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CacheWorld:
    """Facts, and series that read all of them packed."""
    monkeypatch.setattr(read_facts, "FEW_STORES", 0)
    world = CacheWorld(database_url, tmp_path, 1)
    build(database_url, worker)
    return world


def read_series(api: TestClient) -> object:
    answer = api.get("/v1/series", params=MONTHS)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def poll_late(world: CacheWorld, number: int) -> None:
    world.load_polls([("store-0", "active", START - timedelta(days=9, minutes=number))])


def test_python_and_postgres_write_the_same_bytes(database_url: str) -> None:
    row = [70_000, 1, 0, 86_400_000_000, 90_000_000_000 - 1, 1, 40_000]
    with psycopg.connect(database_url) as conn:
        found = conn.execute("select fact_record(%s, %s::smallint, %s, %s, %s, %s, %s)", row).fetchone()
    assert found == (pack_facts(np.array([row])),)


def test_the_migration_packs_what_there_is(database_url: str, world: CacheWorld) -> None:
    del world
    before = stored(database_url)
    with psycopg.connect(database_url) as conn:
        expected = packed(conn)
        conn.execute("drop table packed_day")
        conn.execute("drop function fact_record")
        conn.execute("alter table facts_month drop column packed_version")
        conn.execute("delete from schema_migration where name = '0050_packed_day'")
    assert migrate(database_url) == ["0050_packed_day"]
    with psycopg.connect(database_url) as conn:
        assert packed(conn) == expected
    assert stored(database_url) == before


def test_months_that_the_release_before_has_written_are_read_from_their_source(
    api: TestClient, database_url: str, worker: WorkerContext, world: CacheWorld
) -> None:
    before = read_series(api)
    with psycopg.connect(database_url) as conn:
        # It counts its changes, and knows no packed facts.
        conn.execute("update facts_month set version = version + 1 where month = '2024-10-01'")
        conn.execute(
            "update packed_day set records = substring(records from 31) where local_date >= '2024-10-01'"
        )
    assert read_series(api) == before
    poll_late(world, 7)
    build(database_url, worker)
    assert stored(database_url)


def test_facts_and_marks_that_were_deleted_by_sql(
    database_url: str, worker: WorkerContext, world: CacheWorld
) -> None:
    del world
    before = stored(database_url)
    with psycopg.connect(database_url) as conn:
        conn.execute("delete from store_day where store_key = 1")
        conn.execute("delete from store_day_mark where store_key = 1")
    build(database_url, worker)
    assert stored(database_url) == before


def test_many_small_changes_are_packed_into_one(
    database_url: str, worker: WorkerContext, world: CacheWorld
) -> None:
    for number in range(70):
        poll_late(world, number)
        build(database_url, worker)
    assert stored(database_url)
    with psycopg.connect(database_url) as conn:
        ((most,),) = conn.execute(
            "select max(n) from (select count(*) n from packed_day group by local_date) rows"
        ).fetchall()
    assert 1 < most <= 64


def test_a_store_that_fails_leaves_the_packed_facts_of_others(
    database_url: str, worker: WorkerContext, world: CacheWorld
) -> None:
    """Its mark is gone, so its months are made again each night. The others' must not be."""
    del world
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("update store set timezone = 'Mars/Base' where store_id = 'store-0'")
        conn.execute(
            "update store_day_mark set seq = 0 where store_key = (select store_key from store where store_id = 'store-0')"
        )
        build(database_url, worker)
        rows = "select xmin::text, local_date from packed_day order by ctid"
        before = conn.execute(rows).fetchall()
        build(database_url, worker)
        assert conn.execute(rows).fetchall() == before
