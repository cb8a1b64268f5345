"""What a batch of facts writes: nothing if its lease was lost meanwhile, and nothing if there is nothing to compute."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from services.worker.context import WorkerContext
from services.worker.facts.compute_claimed import compute_claimed_facts
from services.worker.lease_renewal import BatchLost, LeaseRenewal
from shared.facts.jobs import FactsRequest, trigger_facts
from shared.reports.acceptance import BatchTerms
from shared.reports.batch import BatchLease
from shared.reports.claim import claim_batch, renew_batch, return_claim
from tests.integration.facts.test_facts_walk import FIRST, LAST, build
from tests.integration.reports.test_input_cache import CacheWorld

_WRITTEN = "select (select count(*) from store_day), (select count(*) from store_day_mark), (select count(*) from store_month)"


def accept(url: str) -> UUID:
    async def run() -> UUID:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            return (await trigger_facts(conn, FactsRequest(FIRST, LAST), BatchTerms(1000, 60))).report_id

    return asyncio.run(run())


def claim(conn: psycopg.Connection, worker: WorkerContext, job_id: UUID) -> BatchLease:
    lease = claim_batch(conn, job_id, 0, worker.terms)
    assert lease is not None
    return lease


def test_a_batch_whose_lease_was_lost_writes_nothing(
    database_url: str, worker: WorkerContext, tmp_path: Path
) -> None:
    CacheWorld(database_url, tmp_path, 1)
    job_id = accept(database_url)
    with psycopg.connect(database_url, autocommit=True) as conn:
        late = claim(conn, worker, job_id)
        conn.execute("update report_batch set lease_until = clock_timestamp() - %s", [timedelta(seconds=1)])
        current = claim(conn, worker, job_id)
        accepted = []
        for lease in (late, current):
            renewal = LeaseRenewal(
                worker,
                partial(renew_batch, lease=lease, terms=worker.terms),
                partial(return_claim, lease=lease),
            )
            completion = compute_claimed_facts(worker, lease, renewal)
            assert completion is not None
            accepted.append((completion.accepted, any(conn.execute(_WRITTEN).fetchone() or ())))
    assert accepted == [(False, False), (True, True)]


def test_a_job_without_work_moves_no_mark(database_url: str, worker: WorkerContext, tmp_path: Path) -> None:
    CacheWorld(database_url, tmp_path, 1)
    build(database_url, worker)
    versions = "select store_key, ctid::text from store_day_mark order by store_key"
    with psycopg.connect(database_url, autocommit=True) as conn:
        before = conn.execute(versions).fetchall()
        build(database_url, worker)
        assert conn.execute(versions).fetchall() == before != []
        CacheWorld(database_url, tmp_path, 2)
        build(database_url, worker)
        assert {key for key, _ in conn.execute(versions).fetchall()} >= {key for key, _ in before}
        assert conn.execute(versions).fetchall() != before


def test_a_lease_that_cannot_be_renewed_stops_its_work(worker: WorkerContext) -> None:
    """As that of a report that was canceled: its further slices are not computed."""
    due_at_once = replace(worker, terms=replace(worker.terms, lease_s=0))
    LeaseRenewal(due_at_once, lambda _: True, lambda _: False).require_held()
    with pytest.raises(BatchLost):
        LeaseRenewal(due_at_once, lambda _: False, lambda _: False).require_held()
