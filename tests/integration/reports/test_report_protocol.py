"""Claim, lease, fence, finalise: the promises that the database alone keeps, tested without workers."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from shared.clock import from_us
from shared.reports.acceptance import BatchTerms
from shared.reports.batch import BatchLease
from shared.reports.claim import LeaseTerms, claim_batch, release_batch, renew_batch
from shared.reports.complete import Completion, complete_batch
from shared.reports.due import bury_poison, count_pending, due_finalisations, expire_leases, take_due
from shared.reports.finalise import claim_finalise, finish_report, list_parts, renew_finalise
from shared.reports.model import FileOfReport, FinaliseLease, Report
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.read import get_report
from shared.reports.trigger import trigger_report
from shared.storage import StoredObject
from tests.fixtures.fleet import Store, load_fleet

TERMS = LeaseTerms("worker-a", lease_s=60, max_attempts=5)
POLL = datetime(2024, 10, 14, 12, 30, 0, 125000, tzinfo=UTC)


def fleet(stores: int) -> dict[str, Store]:
    return {f"store-{n:03d}": Store(polls=[(POLL - timedelta(minutes=n), True)]) for n in range(stores)}


def trigger(
    database_url: str, *, batch_stores: int = 2, request: ReportRequest | None = None
) -> tuple[UUID, int]:
    """Returns the report's id and its number of batches."""

    async def run() -> tuple[UUID, int]:
        async with await AsyncConnection.connect(database_url, autocommit=False) as conn:
            asked = request or ReportRequest(policy="classic")
            accepted = await trigger_report(conn, asked, ReportCaller("test"), BatchTerms(batch_stores, 60))
            return accepted.report_id, len(accepted.wakes)

    return asyncio.run(run())


def read(database_url: str, report_id: UUID) -> Report:
    async def run() -> Report:
        async with await AsyncConnection.connect(database_url) as conn:
            return await get_report(conn, report_id)

    return asyncio.run(run())


def claim(
    conn: psycopg.Connection, report_id: UUID, batch_no: int = 0, terms: LeaseTerms = TERMS
) -> BatchLease:
    lease = claim_batch(conn, report_id, batch_no, terms)
    assert lease is not None
    conn.commit()
    return lease


def complete(conn: psycopg.Connection, lease: BatchLease, terms: LeaseTerms = TERMS) -> Completion:
    part = StoredObject(lease.part_key, 10, "00" * 32)
    completion = complete_batch(conn, lease, part, terms, read_seq=1)
    conn.commit()
    return completion


def overdue(conn: psycopg.Connection) -> None:
    """Let every lease be over, by the only clock that counts."""
    conn.execute(
        "update report_batch set lease_until = clock_timestamp() - interval '1 s' where state = 'leased'"
    )
    conn.execute(
        "update report set finalise_lease_until = clock_timestamp() - interval '1 s' where finalise_lease_until is not null"
    )
    conn.commit()


def one(conn: psycopg.Connection, query: str, *parameters: object) -> Any:
    row = conn.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


@pytest.fixture
def conn(database_url: str) -> Any:
    with psycopg.connect(database_url) as connection:
        yield connection


class TestTrigger:
    def test_every_polled_store_is_in_exactly_one_batch_in_the_order_of_ids(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, {**fleet(7), "never-polled": Store(), "B": Store(polls=[(POLL, True)])})
        report_id, batches = trigger(database_url, batch_stores=3)
        rows = conn.execute(
            "select first_id, last_id, stores from report_batch where report_id = %s order by batch_no",
            [report_id],
        ).fetchall()
        # Byte order: capital letters first, whatever the server's locale.
        assert rows == [("B", "store-001", 3), ("store-002", "store-004", 3), ("store-005", "store-006", 2)]
        assert batches == 3

    def test_a_fleet_without_polls_gets_one_empty_batch(self, database_url: str) -> None:
        report_id, batches = trigger(database_url)
        report = read(database_url, report_id)
        assert (batches, report.state, report.stores_total) == (1, "queued", 0)

    @pytest.mark.parametrize(
        ("as_of", "expected"),
        [("latest", POLL), (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))],
    )
    def test_as_of_is_fixed_when_the_report_is_accepted(
        self, database_url: str, as_of: Any, expected: datetime
    ) -> None:
        load_fleet(database_url, fleet(2))
        report_id, _ = trigger(database_url, request=ReportRequest(policy="classic", as_of=as_of))
        load_fleet(database_url, {"later": Store(polls=[(POLL + timedelta(hours=1), True)])})
        assert read(database_url, report_id).as_of == expected

    def test_now_is_the_clock_of_the_database(self, database_url: str, conn: psycopg.Connection) -> None:
        before = one(conn, "select clock_timestamp()")
        report_id, _ = trigger(database_url, request=ReportRequest(policy="classic", as_of="now"))
        assert before < read(database_url, report_id).as_of < one(conn, "select clock_timestamp()")

    def test_a_store_first_polled_after_the_cut_is_not_in_the_report(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(3))
        report_id, _ = trigger(database_url)
        load_fleet(database_url, {"store-000a": Store(polls=[(POLL, True)])})
        cut = claim(conn, report_id).batch.accepted_seq
        assert one(conn, "select count(*) from store where polled_since_seq <= %s", cut) == 3


class TestClaim:
    def test_a_batch_is_claimed_by_one_of_many(self, database_url: str) -> None:
        load_fleet(database_url, fleet(1))
        report_id, _ = trigger(database_url)
        barrier = Barrier(8)

        def contender(number: int) -> bool:
            with psycopg.connect(database_url) as connection:
                barrier.wait(60)
                return claim_batch(connection, report_id, 0, replace(TERMS, worker=f"w{number}")) is not None

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(contender, range(8))) == 1
        assert read(database_url, report_id).state == "running"

    def test_the_attempt_is_counted_at_the_claim(self, database_url: str, conn: psycopg.Connection) -> None:
        load_fleet(database_url, fleet(1))
        report_id, _ = trigger(database_url)
        for attempt in (1, 2, 3):
            assert claim(conn, report_id).attempt == attempt
            assert claim_batch(conn, report_id, 0, TERMS) is None
            overdue(conn)
        assert one(conn, "select attempt, burnt from report_batch") == (3, 3)

    def test_a_worker_that_lost_its_lease_can_change_nothing(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(1))
        report_id, _ = trigger(database_url)
        stale = claim(conn, report_id)
        overdue(conn)
        fresh = claim(conn, report_id, terms=replace(TERMS, worker="worker-b"))
        row = conn.execute("select * from report_batch").fetchall()
        assert complete(conn, stale) == Completion(accepted=False)
        assert not renew_batch(conn, stale, TERMS)
        assert not release_batch(conn, stale, error="late", pause_s=0, give_back=False)
        assert conn.execute("select * from report_batch").fetchall() == row
        assert fresh.part_key != stale.part_key
        assert complete(conn, fresh).accepted

    def test_a_batch_of_a_canceled_report_is_not_renewed(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(1))
        report_id, _ = trigger(database_url)
        lease = claim(conn, report_id)
        assert renew_batch(conn, lease, TERMS)
        conn.execute("update report set state = 'canceled' where id = %s", [report_id])
        assert not renew_batch(conn, lease, TERMS)

    def test_a_stale_worker_comes_too_late_even_before_another_claims(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(1))
        report_id, _ = trigger(database_url)
        stale = claim(conn, report_id)
        overdue(conn)
        assert expire_leases(conn) == 1
        assert not complete(conn, stale).accepted

    def test_an_outage_gives_the_attempt_back_but_never_the_fence(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(1))
        report_id, _ = trigger(database_url)
        for attempt in range(1, 9):  # more often than max_attempts
            lease = claim(conn, report_id)
            assert lease.attempt == attempt
            assert release_batch(conn, lease, error="S3 away", pause_s=0, give_back=True)
        assert one(conn, "select attempt, burnt, state from report_batch") == (8, 0, "pending")
        assert bury_poison(conn, TERMS.max_attempts) == []


class TestPoisonBatches:
    def test_after_five_claims_the_batch_is_dead_and_the_report_failed_with_its_cause(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(3))
        report_id, _ = trigger(database_url)
        for _ in range(TERMS.max_attempts):
            claim(conn, report_id, 1)
            assert bury_poison(conn, TERMS.max_attempts) == []
            overdue(conn)
            expire_leases(conn)
        assert claim_batch(conn, report_id, 1, TERMS) is None
        assert bury_poison(conn, TERMS.max_attempts) == [report_id]
        conn.commit()
        report = read(database_url, report_id)
        assert report.state == "failed"
        assert report.error is not None
        assert report.error["batch_no"] == 1
        assert report.error["first_store_id"] == "store-002"
        assert "5 times" in report.error["detail"]
        assert claim_batch(conn, report_id, 0, TERMS) is None, "a failed report gives no more work"

    def test_the_error_of_the_last_attempt_is_the_cause(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(1))
        report_id, _ = trigger(database_url)
        for _ in range(TERMS.max_attempts):
            release_batch(conn, claim(conn, report_id), error="KeyError: zone", pause_s=0, give_back=False)
            conn.execute("update report_batch set due_since = clock_timestamp()")  # the pause is over
        bury_poison(conn, TERMS.max_attempts)
        conn.commit()
        error = read(database_url, report_id).error
        assert error is not None
        assert error["cause"] == "KeyError: zone"

    def test_a_merge_that_kills_its_worker_is_poison_too(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(3))
        report_id, _ = trigger(database_url)
        for batch_no in (0, 1):
            complete(conn, claim(conn, report_id, batch_no))
        for _ in range(TERMS.max_attempts - 1):
            overdue(conn)
            assert bury_poison(conn, TERMS.max_attempts) == []
            assert claim_finalise(conn, report_id, TERMS) is not None
            conn.commit()
        overdue(conn)
        assert due_finalisations(conn, TERMS.max_attempts) == []
        assert bury_poison(conn, TERMS.max_attempts) == [report_id]


class TestFinalise:
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_the_last_completion_and_no_other_claims_it(
        self, database_url: str, conn: psycopg.Connection, order: tuple[int, ...]
    ) -> None:
        load_fleet(database_url, fleet(6))
        report_id, _ = trigger(database_url)
        completions = [complete(conn, claim(conn, report_id, batch_no)) for batch_no in order]
        assert [completion.finalise is not None for completion in completions] == [False, False, True]
        assert [part.key.split("/")[3] for part in list_parts(conn, report_id)] == [
            "000000-1",
            "000001-1",
            "000002-1",
        ]

    def test_workers_that_complete_at_the_same_moment_claim_it_once(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(16))
        report_id, batches = trigger(database_url)
        leases = [claim(conn, report_id, batch_no) for batch_no in range(batches)]
        barrier = Barrier(batches)

        def worker(lease: BatchLease) -> Completion:
            with psycopg.connect(database_url) as connection:
                barrier.wait(60)
                return complete(connection, lease)

        with ThreadPoolExecutor(batches) as threads:
            completions = list(threads.map(worker, leases))
        assert all(completion.accepted for completion in completions)
        assert sum(completion.finalise is not None for completion in completions) == 1

    def test_it_is_finished_exactly_once_and_only_by_the_holder(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(3))
        report_id, _ = trigger(database_url)
        assert claim_finalise(conn, report_id, TERMS) is None, "a batch is open"
        complete(conn, claim(conn, report_id, 0))
        first = complete(conn, claim(conn, report_id, 1)).finalise
        assert first is not None
        assert claim_finalise(conn, report_id, TERMS) is None, "another holds it"
        overdue(conn)
        assert [wake.report_id for wake in due_finalisations(conn, TERMS.max_attempts)] == [report_id]
        second = claim_finalise(conn, report_id, TERMS)
        assert second is not None
        conn.commit()
        file = FileOfReport("csv", second.object_key("csv"), 20, "11" * 32, rows=3)

        def finish(lease: FinaliseLease) -> bool:
            return finish_report(conn, lease, [file], tzdata_version="2026a")

        assert not renew_finalise(conn, first, TERMS)
        assert not finish(first)
        assert finish(second)
        assert not finish(second)
        conn.commit()
        report = read(database_url, report_id)
        assert (report.state, report.stores_done) == ("succeeded", 3)
        assert report.files == [file]
        assert due_finalisations(conn, TERMS.max_attempts) == []


class TestDue:
    def test_what_is_not_claimed_in_time_is_published_again_and_then_left_alone_for_a_while(
        self, database_url: str, conn: psycopg.Connection
    ) -> None:
        load_fleet(database_url, fleet(6))
        report_id, _ = trigger(database_url)
        assert (count_pending(conn), take_due(conn, republish_s=60)) == (3, [])
        conn.execute("update report_batch set due_at = clock_timestamp()")
        claim(conn, report_id, 1)
        assert count_pending(conn) == 2
        assert {wake.batch_no for wake in take_due(conn, republish_s=60)} == {0, 2}
        assert (count_pending(conn), take_due(conn, republish_s=60)) == (2, [])

    def test_an_expired_lease_is_due_at_once(self, database_url: str, conn: psycopg.Connection) -> None:
        load_fleet(database_url, fleet(2))
        report_id, _ = trigger(database_url)
        claim(conn, report_id)
        assert expire_leases(conn) == 0
        overdue(conn)
        assert expire_leases(conn) == 1
        assert [wake.report_id for wake in take_due(conn, republish_s=60)] == [report_id]

    def test_two_schedulers_share_what_is_due(self, database_url: str, conn: psycopg.Connection) -> None:
        load_fleet(database_url, fleet(6))
        trigger(database_url)
        conn.execute("update report_batch set due_at = clock_timestamp()")
        conn.commit()
        with psycopg.connect(database_url) as other:
            mine = take_due(conn, republish_s=60)
            assert len(mine) == 3
            assert take_due(other, republish_s=60) == []


def test_ids_sort_by_time(database_url: str) -> None:
    first, _ = trigger(database_url)
    second, _ = trigger(database_url, request=ReportRequest(policy="strict"))
    assert first.version == 7
    assert first.int >> 80 <= second.int >> 80
    assert abs(from_us((second.int >> 80) * 1000) - datetime.now(UTC)) < timedelta(minutes=5)
