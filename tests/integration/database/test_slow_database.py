"""Postgres is slow, and a batch outlasts its lease though nothing is wrong: it is kept, unless its worker hangs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from services.worker import lease_renewal
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from shared.ids import new_id
from shared.reports.due import expire_leases
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.fixtures.services import wait_until

LEASE_S = 5.0
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


def test_a_batch_that_is_read_again_at_the_end_may_outlast_the_lease_too(
    brief: WorkerContext, conn: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = [(datetime(2024, 10, 14, tzinfo=UTC), True)]
    load_fleet(database_url, {"store": Store(polls=polls), "other": Store(polls=polls)})
    report_id = trigger(database_url, batch_stores=1).report_id
    monkeypatch.setattr("services.worker.compute_batch.finish_claimed", lambda *_: False)
    for batch_no in range(2):
        compute_batch(brief, report_id, batch_no)
    conn.execute("update report set finalise_lease_until = clock_timestamp()")
    conn.execute("update report_batch set data_cut = 0 where batch_no = 0")
    _change_a_zone(conn)
    conn.execute("update report_batch set data_cut = 2 where batch_no = 1")
    with ThreadPoolExecutor(1) as threads:
        with psycopg.connect(database_url) as slow:
            slow.execute("lock table observation")
            finishing = threads.submit(finalise_report, brief, report_id)
            first = "select finalise_lease_until + make_interval(secs => 2) from report where finalise_attempt = 2"
            wait_until(lambda: conn.execute(first).fetchone(), "the claim")
            until = conn.execute(first).fetchone()

            def is_past() -> bool:
                held = "select finalise_lease_until > clock_timestamp(), clock_timestamp() > %s from report"
                is_held, is_past = conn.execute(held, until).fetchone() or (False, False)
                assert is_held
                return bool(is_past)

            wait_until(is_past, "the first lease to be over")
        assert finishing.result()
    assert conn.execute("select state, finalise_attempt from report").fetchone() == ("succeeded", 2)


def _change_a_zone(conn: psycopg.Connection) -> None:
    """Commit a change of data as ingest does; its number is 2."""
    import_id = new_id()
    conn.execute("update ledger_head set seq = 2")
    conn.execute("insert into import (id, kind, source) values (%s, 'timezones', 'late')", [import_id])
    conn.execute(
        "insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq) values (%s, 0, 0, 1, 2)",
        [import_id],
    )


def test_a_worker_that_hangs_loses_its_batch(
    brief: WorkerContext,
    report_id: UUID,
    conn: psycopg.Connection,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease_renewal, "_AT_MOST_S", 0.0)
    with ThreadPoolExecutor(1) as threads:
        with psycopg.connect(database_url) as slow:
            slow.execute("lock table observation")
            computing = threads.submit(compute_batch, brief, report_id, 0)
            wait_until(lambda: expire_leases(conn) == 1, "the lease to run out")
        assert not computing.result()
    assert conn.execute(_BATCH).fetchone() == ("pending", 1, 1)
