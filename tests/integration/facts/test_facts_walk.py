"""Facts that are brought up to date equal facts computed from nothing, whatever was committed meanwhile."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg import AsyncConnection

from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.facts.compute import compute_facts
from services.worker.facts.plan import plan_facts
from services.worker.facts.write import FactsOvertaken, write_facts
from services.worker.inputs import InputCache
from services.worker.load import one_snapshot
from shared.facts.jobs import FactsRequest, get_job, trigger_facts
from shared.facts.packed_facts import WIDTH, unpack_facts
from shared.reports.acceptance import BatchTerms
from shared.reports.batch import Batch
from shared.uptime.intervals import Int64s
from tests.integration.reports.test_input_cache import START, CacheWorld

FIRST, LAST = START.date() - timedelta(days=14), START.date() + timedelta(days=3)
STEPS = int(os.environ.get("FACTS_STEPS", "12"))
_NAMES = (
    "scheduled_us", "excluded_us", "open_us", "up_us", "down_us", "unknown_us", "up_min_us", "up_max_us", "polls", "outages",
)  # fmt: skip
_MONTHS = (
    f"select store_key, month, dates, days, {', '.join(_NAMES)} from store_month where days > 0 order by 1, 2"
)
_SUMMED = f"""
select store_key, date_trunc('month', local_date)::date, bit_or(1 << (extract(day from local_date)::integer - 1)),
    count(*), {", ".join(f"sum({name})" for name in _NAMES)}
from store_day group by 1, 2 order by 1, 2"""
_TO_PACK = """
select store_key, local_date - date '1970-01-01', 1, excluded_us, open_us, up_us, down_us, outages
from store_day where policy = 'classic'"""
Rows = Mapping[tuple[int, date], tuple[int, ...]]
_READ = """
select store_key, local_date, scheduled_us, excluded_us, open_us, up_us, down_us, unknown_us, up_min_us, up_max_us, polls,
    outages
from store_day where policy = 'classic'"""


def build(
    url: str, worker: WorkerContext, first: date = FIRST, last: date = LAST, *, batch_stores: int = 2
) -> UUID:
    """Accept a job and compute its batches. It must succeed."""

    async def accept() -> UUID:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            accepted = await trigger_facts(conn, FactsRequest(first, last), BatchTerms(batch_stores, 60))
            assert {wake.report_id for wake in accepted.wakes} == {accepted.report_id}
            return accepted.report_id

    async def state(job_id: UUID) -> str:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            return (await get_job(conn, job_id)).state

    job_id = asyncio.run(accept())
    with worker.pool.connection() as conn:
        batches = conn.execute("select batch_no from report_batch where report_id = %s", [job_id]).fetchall()
    assert all(compute_batch(worker, job_id, batch_no) for (batch_no,) in batches)
    assert asyncio.run(state(job_id)) == "succeeded"
    return job_id


def stored(url: str) -> Rows:
    """Return all facts. The sums of months and the packed facts must agree with them."""
    with psycopg.connect(url) as conn:
        assert conn.execute(_MONTHS.encode()).fetchall() == conn.execute(_SUMMED.encode()).fetchall()
        assert packed(conn) == {
            (key, day): tuple(rest) for key, day, *rest in conn.execute(_TO_PACK.encode()).fetchall()
        }
        return {(key, day): tuple(rest) for key, day, *rest in conn.execute(_READ.encode())}


def packed(conn: psycopg.Connection) -> dict[tuple[int, int], tuple[int, ...]]:
    """Return the facts that readers of `packed_day` find, by store and day. Every month must be packed."""
    stale = "select count(*) from facts_month where packed_version is distinct from version"
    assert conn.execute(stale).fetchone() == (0,)
    found = defaultdict[tuple[int, int], Int64s](lambda: np.zeros(WIDTH - 1, dtype=np.int64))
    rows = "select local_date - date '1970-01-01', records from packed_day where policy = 'classic'"
    for day, records in conn.execute(rows):
        for key, *numbers in unpack_facts(records).T.tolist():
            found[key, day] += numbers
    assert all(numbers[0] or not numbers.any() for numbers in found.values())
    return {cell: tuple(numbers.tolist()) for cell, numbers in found.items() if numbers[0]}


def batches(worker: WorkerContext, job_id: UUID) -> list[Batch]:
    with worker.pool.connection() as conn:
        rows = conn.execute(
            "select batch_no, first_id, last_id, b.stores, store_keys, as_of, policy, detail, windows, r.data_cut,"
            " tzdata_accepted, file_kinds, pinned_cut, kind, first_day, last_day"
            " from report_batch b join report r on r.id = b.report_id where r.id = %s",
            [job_id],
        ).fetchall()
    return [Batch(job_id, *row) for row in rows]


def from_nothing(url: str, worker: WorkerContext, job_id: UUID) -> Rows:
    """What the job would write into empty tables."""
    with psycopg.connect(url) as conn:
        conn.execute("create temporary table store_day (like public.store_day)")
        conn.execute("create temporary table store_day_mark (like public.store_day_mark)")
        conn.commit()
        with one_snapshot(conn) as snapshot:
            found = []
            for batch in batches(worker, job_id):
                found += compute_facts(conn, batch, plan_facts(conn, batch), snapshot).rows.tolist()
    epoch = date(1970, 1, 1)
    return {(key, epoch + timedelta(days=day)): tuple(rest) for key, day, *rest in found}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_they_are_as_good_as_computed_from_nothing(
    database_url: str, worker: WorkerContext, tmp_path: Path, seed: int
) -> None:
    world = CacheWorld(database_url, tmp_path, seed)
    kept: Rows = {}
    for _ in range(STEPS):
        job_id = build(database_url, worker)
        found, expected = stored(database_url), from_nothing(database_url, worker, job_id)
        # What can no longer be computed, because its polls were dropped, stays as it was.
        assert found == {**{cell: kept[cell] for cell in kept if cell not in expected}, **expected}
        assert found
        kept = found
        world.change()


def remember(worker: WorkerContext, world: CacheWorld, job_id: UUID) -> None:
    """Read all polls of the job's batches into the worker's cache, as reports do."""
    with worker.pool.connection() as conn:
        conn.commit()
        for batch in batches(worker, job_id):
            report = replace(batch, kind="report", windows=["P60D"], as_of=world.now)
            with one_snapshot(conn) as snapshot:
                worker.inputs.load_input(conn, report, snapshot)


@pytest.mark.parametrize("seed", [4, 5])
def test_facts_from_the_cache_of_reports_are_as_good(
    database_url: str, worker: WorkerContext, tmp_path: Path, seed: int
) -> None:
    world = CacheWorld(database_url, tmp_path, seed)
    warm = replace(worker, inputs=InputCache(1 << 26, uses_facts=False))
    kept: Rows = {}
    found_in_cache = 0.0
    for _ in range(STEPS):
        before = from_cache()
        job_id = build(database_url, warm)
        found_in_cache += from_cache() - before
        found, expected = stored(database_url), from_nothing(database_url, worker, job_id)
        assert found == {**{cell: kept[cell] for cell in kept if cell not in expected}, **expected}
        kept = found
        remember(warm, world, job_id)
        world.change()
        # All facts are computed again.
        with psycopg.connect(database_url) as conn:
            conn.execute("delete from store_day_mark")
    assert found_in_cache > STEPS / 2, "some of the facts come from the cache"


def from_cache() -> float:
    sources = ("memory", "both")
    return sum(
        REGISTRY.get_sample_value("uptill_batch_inputs_total", {"source": source}) or 0 for source in sources
    )


def test_months_are_vacuumed_after_each_night(
    database_url: str, worker: WorkerContext, tmp_path: Path
) -> None:
    CacheWorld(database_url, tmp_path, 1)
    build(database_url, worker)
    with psycopg.connect(database_url) as conn:
        months = conn.execute(
            "select relname, reloptions from pg_inherits join pg_class on pg_class.oid = inhrelid"
            " where inhparent = 'store_day'::regclass"
        ).fetchall()
    assert months
    assert {tuple(options or ()) for _, options in months} == {
        ("autovacuum_vacuum_insert_scale_factor=0.02",)
    }


def test_facts_without_a_mark_are_computed_again(
    database_url: str, worker: WorkerContext, tmp_path: Path
) -> None:
    """Whoever changes polls by SQL deletes the marks. The sums of the months are made again too."""
    CacheWorld(database_url, tmp_path, 1)
    build(database_url, worker)
    before = stored(database_url)
    with psycopg.connect(database_url) as conn:
        conn.execute("delete from store_day_mark")
        conn.execute("update observation set is_active = not is_active")
        conn.execute("update store_month set up_us = up_us + 1")
    job_id = build(database_url, worker)
    found = stored(database_url)
    assert found != before
    assert found == from_nothing(database_url, worker, job_id)


def test_a_late_poll_costs_the_days_around_it_of_its_store(
    database_url: str, worker: WorkerContext, tmp_path: Path
) -> None:
    world = CacheWorld(database_url, tmp_path, 1)
    build(database_url, worker)
    world.load_polls([("store-0", "active", START - timedelta(days=9, minutes=7))])
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "create temporary table before as select store_key, local_date, xmin::text as version from store_day"
        )
        build(database_url, worker)
        rows = conn.execute(
            "select store_id, local_date from store_day join store using (store_key)"
            " left join before using (store_key, local_date) where version is distinct from store_day.xmin::text"
        ).fetchall()
    day = (START - timedelta(days=9)).date()
    assert {store_id for store_id, _ in rows} == {"store-0"}
    assert {at for _, at in rows} <= {day + timedelta(days=n) for n in range(-3, 12)}


@pytest.mark.parametrize("has_marks", [True, False])
def test_a_batch_that_another_job_overtook_writes_nothing(
    database_url: str, worker: WorkerContext, tmp_path: Path, has_marks: bool
) -> None:
    CacheWorld(database_url, tmp_path, 1)
    first_id = build(database_url, worker)
    (batch, *_) = batches(worker, first_id)
    with psycopg.connect(database_url) as conn:
        if has_marks:
            CacheWorld(database_url, tmp_path, 3)
        else:
            conn.execute("truncate store_day, store_day_mark, store_month")
            conn.commit()
        with one_snapshot(conn) as snapshot:
            plan = plan_facts(conn, batch)
            facts = compute_facts(conn, batch, plan, snapshot)
        # Another job sees a change and moves the marks.
        CacheWorld(database_url, tmp_path, 2)
        build(database_url, worker)
        with pytest.raises(FactsOvertaken, match="meanwhile"):
            write_facts(conn, batch, plan, facts, snapshot.seq)
