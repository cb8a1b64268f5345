"""Postgres is slow, and a batch outlasts its lease though nothing is wrong: it is kept, unless its worker hangs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from services.worker import keep
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from shared.reports.due import expire_leases
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.fixtures.services import wait_until

LEASE_S = 3.0
_BATCH = "select state, attempt, burnt from report_batch"


@pytest.fixture
def report_id(database_url: str) -> UUID:
    load_fleet(database_url, {"store": Store(polls=[(datetime(2024, 10, 14, tzinfo=UTC), True)])})
    return trigger(database_url).report_id


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def brief(worker: WorkerContext) -> WorkerContext:
    """A worker with short leases."""
    return replace(worker, terms=replace(worker.terms, lease_s=LEASE_S))


def test_a_load_that_outlasts_the_lease_costs_no_claim(
    brief: WorkerContext, report_id: UUID, conn: psycopg.Connection, database_url: str
) -> None:
    with ThreadPoolExecutor(1) as threads:
        with psycopg.connect(database_url) as slow:
            slow.execute("lock table observation")
            computing = threads.submit(compute_batch, brief, report_id, 0)
            wait_until(lambda: conn.execute(_BATCH).fetchone() == ("leased", 1, 1), "the claim")
            until = conn.execute("select lease_until + make_interval(secs => 2) from report_batch").fetchone()

            def is_past() -> bool:
                assert expire_leases(conn) == 0
                return conn.execute("select clock_timestamp() > %s", until).fetchone() == (True,)

            wait_until(is_past, "the first lease to be over")
        assert computing.result()
    assert conn.execute(_BATCH).fetchone() == ("done", 1, 1)


def test_a_worker_that_hangs_loses_its_batch(
    brief: WorkerContext,
    report_id: UUID,
    conn: psycopg.Connection,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keep, "_AT_MOST_S", 0.0)
    with ThreadPoolExecutor(1) as threads:
        with psycopg.connect(database_url) as slow:
            slow.execute("lock table observation")
            computing = threads.submit(compute_batch, brief, report_id, 0)
            wait_until(lambda: expire_leases(conn) == 1, "the lease to run out")
        assert not computing.result()
    assert conn.execute(_BATCH).fetchone() == ("pending", 1, 1)
