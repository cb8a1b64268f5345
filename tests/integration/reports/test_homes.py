"""Batches go home: which worker takes a batch first, and that borders of batches stay where they are."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.reports import claim
from shared.reports.acceptance import Accepted, BatchTerms
from shared.reports.claim import LeaseTerms, claim_next, home_grace_left_s
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.trigger import trigger_report
from shared.uptime.window import parse_windows
from tests.fixtures.fleet import Store, load_fleet

POLL = datetime(2024, 10, 14, 12, tzinfo=UTC)
BATCHES = 20
WORKERS = (7, 8)
# Longer than any test, so that only `end_grace` ends it.
GRACE = timedelta(hours=1)
_SQL = queries("reports")


@pytest.fixture(autouse=True)
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "HOME_GRACE", GRACE)


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    add_stores(database_url, [f"{n:02d}" for n in range(BATCHES)])
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def add_stores(database_url: str, ids: Sequence[str]) -> None:
    load_fleet(
        database_url, {each: Store(polls=[(POLL - timedelta(hours=n), True)]) for n, each in enumerate(ids)}
    )


@contextmanager
def present(database_url: str, *workers: int) -> Iterator[None]:
    """Hold the locks of these workers."""
    with psycopg.connect(database_url, autocommit=True) as session:
        for worker in workers:
            session.execute("select pg_advisory_lock(1433691240, %s)", [worker])
        yield


def terms(worker: int | None) -> LeaseTerms:
    return LeaseTerms(f"worker {worker}", lease_s=60, max_attempts=5, presence=lambda: worker)


def ask(database_url: str, *, batch_stores: int = 1) -> Accepted:
    """Accept a report of all stores as the API would."""

    async def run() -> Accepted:
        request = ReportRequest(policy="classic", force=True, windows=parse_windows(("last_day",)))
        async with await AsyncConnection.connect(database_url) as session:
            return await trigger_report(
                session, request, ReportCaller("key"), BatchTerms(batch_stores, republish_s=60)
            )

    return asyncio.run(run())


def homes(conn: psycopg.Connection, report_id: UUID) -> dict[int, int | None]:
    rows = conn.execute("select batch_no, home from report_batch where report_id = %s", [report_id])
    return dict(rows.fetchall())


def end_grace(conn: psycopg.Connection) -> None:
    conn.execute("update report_batch set due_since = due_since - %s", [GRACE])


def claim_all(conn: psycopg.Connection, worker: int | None) -> list[int]:
    claimed = []
    while lease := claim_next(conn, terms(worker)):
        claimed.append(lease.batch.batch_no)
    return claimed


def test_a_worker_takes_its_own_batches_at_once_and_others_from_the_end_after_their_grace(
    conn: psycopg.Connection, database_url: str
) -> None:
    with present(database_url, *WORKERS):
        accepted = ask(database_url)
        home_of = homes(conn, accepted.report_id)
        own = [batch for batch, home in sorted(home_of.items()) if home == 7]
        others = [batch for batch, home in sorted(home_of.items()) if home == 8]
        assert own
        assert others
        assert [wake.home for wake in accepted.wakes] == [home_of[n] for n in range(BATCHES)]
        assert claim_all(conn, 7) == own
        end_grace(conn)
        assert claim_all(conn, 7) == list(reversed(others))


def test_a_batch_in_its_grace_is_left_to_its_home(conn: psycopg.Connection, database_url: str) -> None:
    with present(database_url, *WORKERS):
        report_id = ask(database_url).report_id
    conn.execute("update report_batch set home = 8")
    assert claim_next(conn, terms(7)) is None
    assert 0 < home_grace_left_s(conn, report_id, 0, terms(7)) <= GRACE.total_seconds()
    assert home_grace_left_s(conn, report_id, 0, terms(8)) == 0
    end_grace(conn)
    assert home_grace_left_s(conn, report_id, 0, terms(7)) == 0
    assert claim_next(conn, terms(7)) is not None


def test_own_batches_of_a_later_report_come_before_those_of_others(
    conn: psycopg.Connection, database_url: str
) -> None:
    with present(database_url, *WORKERS):
        first, second = ask(database_url).report_id, ask(database_url).report_id
    conn.execute("update report_batch set home = case report_id when %s then 8 else 7 end", [first])
    end_grace(conn)
    leases = [claim_next(conn, terms(7)) for _ in range(BATCHES + 1)]
    assert [lease and lease.batch.report_id for lease in leases] == [*[second] * BATCHES, first]


def test_without_presence_a_worker_takes_every_batch_in_order(
    conn: psycopg.Connection, database_url: str
) -> None:
    with present(database_url, *WORKERS):
        ask(database_url)
    end_grace(conn)
    assert claim_all(conn, None) == list(reversed(range(BATCHES)))


def test_one_worker_alone_needs_no_homes(conn: psycopg.Connection, database_url: str) -> None:
    with present(database_url, 7):
        accepted = ask(database_url)
    assert set(homes(conn, accepted.report_id).values()) == {None}
    assert accepted.wakes[0] == ComputeBatch(report_id=accepted.report_id, batch_no=0)
    assert claim_all(conn, 7) == list(range(BATCHES))


def test_when_a_worker_leaves_only_its_own_batches_move(conn: psycopg.Connection) -> None:
    def place(workers: Sequence[int]) -> dict[str, int]:
        rows = conn.execute(
            "select id, home_of(id, %s) from unnest(%s::text[]) id",
            [list(workers), [f"store-{n}" for n in range(1000)]],
        )
        return dict(rows.fetchall())

    before, after = place([3, 5, 11, 12]), place([3, 11, 12])
    assert all(after[each] == home for each, home in before.items() if home != 5)
    shares = [sum(home == worker for home in before.values()) for worker in (3, 5, 11, 12)]
    assert min(shares) > 150, shares


class TestBorders:
    def borders(self, conn: psycopg.Connection, batch_stores: int) -> list[tuple[str, str, int]]:
        (seq,) = conn.execute("select data_cut from ledger_head").fetchone() or (0,)
        rows = conn.execute(_SQL["batch_ranges"], {"accepted_seq": seq, "batch_stores": batch_stores})
        return rows.fetchall()

    def test_a_new_store_changes_only_the_range_that_it_joins(
        self, conn: psycopg.Connection, database_url: str
    ) -> None:
        before = self.borders(conn, 4)
        assert [stores for *_, stores in before] == [4, 4, 4, 4, 4]
        add_stores(database_url, ["055"])
        after = self.borders(conn, 4)
        assert after == [before[0], ("04", "07", 5), *before[2:]]

    def test_a_range_that_has_grown_by_more_than_a_quarter_is_divided(
        self, conn: psycopg.Connection, database_url: str
    ) -> None:
        before = self.borders(conn, 4)
        add_stores(database_url, ["055", "056"])
        after = self.borders(conn, 4)
        assert after == [before[0], ("04", "055", 3), ("056", "07", 3), *before[2:]]

    def test_ranges_hold_each_store_once_and_no_more_than_a_quarter_too_many(
        self, conn: psycopg.Connection, database_url: str
    ) -> None:
        draw = random.Random(3)
        ids = {f"{n:02d}" for n in range(BATCHES)}
        for _ in range(6):
            new = {f"{draw.randrange(100):02d}{draw.choice(['', 'x', 'yy'])}" for _ in range(9)} - ids
            add_stores(database_url, sorted(new))
            ids |= new
            for size in (1, 3, 7):
                found = self.borders(conn, size)
                assert sum(stores for *_, stores in found) == len(ids)
                assert all(stores <= size + size // 4 for *_, stores in found)
                for first, last, stores in found:
                    assert sum(first <= each <= last for each in ids) == stores

    def test_no_store_has_no_range(self, database_url: str) -> None:
        with psycopg.connect(database_url) as empty:
            assert self.borders(empty, 4) == []
