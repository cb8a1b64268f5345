"""What a night writes when every store was polled since the night before: the days that became final, and no others."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from services.ingest.run import ingest_paths
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from shared.facts.jobs import FactsRequest, trigger_facts
from shared.reports.acceptance import BatchTerms
from tests.fixtures.fleet import Store, load_fleet

ZONES = {"east": "Pacific/Auckland", "middle": None, "west": "America/Los_Angeles"}
FACTS = "select store_id, local_date, store_day.xmin::text from store_day join store using (store_key)"


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def conn(database_url: str, now: datetime) -> Iterator[psycopg.Connection]:
    polls = [(now - timedelta(hours=hours), True) for hours in range(2, 300)]
    load_fleet(database_url, {store_id: Store(polls, zone) for store_id, zone in ZONES.items()})
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def build(database_url: str, worker: WorkerContext, now: datetime) -> None:
    async def accept() -> None:
        async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
            request = FactsRequest((now - timedelta(days=8)).date(), now.date())
            await trigger_facts(conn, request, BatchTerms(2, 60))

    asyncio.run(accept())
    while compute_next(worker) is not None:
        pass


def facts(conn: psycopg.Connection) -> set[tuple[str, ...]]:
    return set(conn.execute(FACTS).fetchall())


def load(database_url: str, folder: Path, polls: dict[str, datetime]) -> None:
    lines = [f"{store_id},inactive,{at:%Y-%m-%d %H:%M:%S.%f} UTC" for store_id, at in polls.items()]
    (folder / "polls.csv").write_text("\n".join(["store_id,status,timestamp_utc", *lines]) + "\n")
    ingest_paths(database_url, [str(folder)])


def test_polls_after_the_night_before_touch_no_final_day(
    conn: psycopg.Connection, database_url: str, worker: WorkerContext, now: datetime, tmp_path: Path
) -> None:
    build(database_url, worker, now)
    before = facts(conn)
    assert {store_id for store_id, *_ in before} == set(ZONES)
    load(database_url, tmp_path, dict.fromkeys(ZONES, datetime.now(UTC)))
    build(database_url, worker, now)
    assert before <= facts(conn)
    marks = conn.execute(
        "select count(distinct mark.seq), min(mark.seq) = max(data_cut) from store_day_mark mark, ledger_head"
    )
    assert marks.fetchone() == (1, True)


def test_a_late_poll_costs_days_of_its_store(
    conn: psycopg.Connection, database_url: str, worker: WorkerContext, now: datetime, tmp_path: Path
) -> None:
    build(database_url, worker, now)
    before = facts(conn)
    late = now - timedelta(days=5)
    load(database_url, tmp_path, {**dict.fromkeys(ZONES, datetime.now(UTC)), "west": late})
    build(database_url, worker, now)
    written = before - facts(conn)
    assert {store_id for store_id, *_ in written} == {"west"}
    assert late.date() in {day for _, day, _ in written}
