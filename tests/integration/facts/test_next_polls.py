"""Which polls a night reads that the worker does not remember: after the days that it measures, one of a store is enough."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import AsyncConnection

from services.ingest.run import ingest_paths
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from services.worker.load import one_snapshot
from shared.clock import to_us
from shared.facts.jobs import FactsRequest, trigger_facts
from shared.inputs.data_range import DataRange
from shared.reports.acceptance import BatchTerms
from shared.reports.batch import Batch
from tests.integration.facts.test_facts_walk import batches
from tests.integration.reports.test_input_cache import START

HOUR = timedelta(hours=1)
ENDS = START.replace(hour=0, minute=0, second=0, microsecond=0)
NEEDED = DataRange(ENDS - 48 * HOUR, ENDS - 24 * HOUR, ENDS + 48 * HOUR)


def load(url: str, folder: Path, polls: Sequence[tuple[str, int]]) -> None:
    """Load active polls, given by store and hours after the days' end."""
    rows = (f"{store_id},active,{ENDS + hour * HOUR:%Y-%m-%d %H:%M:%S} UTC" for store_id, hour in polls)
    (folder / "polls.csv").write_text("\n".join(["store_id,status,timestamp_utc", *rows]) + "\n")
    (done,) = ingest_paths(url, [str(folder)])
    assert done.state == "succeeded"


def accept(url: str, worker: WorkerContext) -> Batch:
    async def run() -> Batch:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            accepted = await trigger_facts(conn, FactsRequest(ENDS.date(), ENDS.date()), BatchTerms(9, 60))
            (batch,) = batches(worker, accepted.report_id)
            return batch

    return asyncio.run(run())


def read_later(
    conn: psycopg.Connection, batch: Batch, cache: InputCache, ends: datetime = ENDS
) -> list[tuple[int, int]]:
    """Return the store and the hour of the polls from the days' end on that a night would use."""
    with one_snapshot(conn) as snapshot:
        found = cache.find_days_input(conn, batch, snapshot, NEEDED, to_us(ends))
    assert found is not None
    _, polls = found
    after = polls.at_us >= to_us(ENDS)
    hours = (polls.at_us[after] - to_us(ENDS)) // (HOUR // timedelta(microseconds=1))
    return list(zip(polls.store[after].tolist(), hours.tolist(), strict=True))


def test_only_stores_without_a_poll_after_the_days_are_searched(
    database_url: str, worker: WorkerContext, tmp_path: Path
) -> None:
    asked = [("asked", hour) for hour in range(-60, 21)]
    load(database_url, tmp_path, [*asked, *(("silent", hour) for hour in range(-60, -3))])
    batch, cache = accept(database_url, worker), InputCache(1 << 26)
    report = replace(batch, kind="report", windows=["P3D"], as_of=ENDS + 20 * HOUR)
    with psycopg.connect(database_url) as conn:
        with one_snapshot(conn) as snapshot:
            cache.load_input(conn, report, snapshot)
        assert read_later(conn, batch, cache) == [(0, 0)], "nothing is unread"
        load(database_url, tmp_path, [("asked", 30), ("silent", 31), ("silent", 32)])
        expected = [(0, 0), (1, 31), (1, 32)]
        assert read_later(conn, batch, cache) == expected
        assert read_later(conn, batch, cache) == expected, "the cache still ends where it did"
        # It ends before the days do, so all polls are read and remembered.
        every = [*((0, hour) for hour in range(21)), (0, 30), (1, 31), (1, 32)]
        assert read_later(conn, batch, cache, ENDS + 25 * HOUR) == every
        assert read_later(conn, batch, cache, ENDS + 25 * HOUR) == [*every[:21], (0, 30), (1, 31)]
