"""How often a report asks the database: each question costs a round trip, however small the report is."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

from shared.db.connect import connect_async
from shared.reports.acceptance import BatchTerms
from shared.reports.claim import LeaseTerms, claim_batch
from shared.reports.complete import complete_batch
from shared.reports.consistency import find_repeats
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.trigger import trigger_report
from shared.storage import StoredObject
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.integration.reports.test_report_protocol import POLL

TERMS = LeaseTerms("worker-a", lease_s=60, max_attempts=5)


@contextmanager
def _counted(conn: psycopg.BaseConnection[Any], path: Path) -> Iterator[Callable[[], int]]:
    """Yield a function that returns how often the block waited for an answer, by libpq's record of what it sent."""

    def count() -> int:
        sent = [line.split("\t")[3] for line in path.read_text().splitlines() if "\tF\t" in line]
        # A pipeline that ends may ask for answers again, which come anyway.
        asks = [kind for before, kind in pairwise(["", *sent]) if (before, kind) != ("Sync", "Flush")]
        return sum(kind in ("Query", "Sync", "Flush") for kind in asks)

    with path.open("w") as trace:
        conn.pgconn.trace(trace.fileno())
        yield count
        conn.pgconn.untrace()


def _count(conn: psycopg.Connection, path: Path, step: Callable[[], object]) -> int:
    with _counted(conn, path) as count:
        step()
    return count()


def test_the_last_batch_and_the_finalisation_ask_seldom(database_url: str, tmp_path: Path) -> None:
    load_fleet(database_url, {"store": Store(polls=[(POLL, True)])})
    report_id = trigger(database_url).report_id
    with psycopg.connect(database_url, autocommit=True) as conn:
        lease = claim_batch(conn, report_id, 0, TERMS)
        assert lease is not None
        part = StoredObject(lease.part_key, 10, "00" * 32)

        def complete() -> None:
            completion = complete_batch(conn, lease, part, TERMS, read_seq=1)
            assert completion.finalise is not None

        # Begin, lock, complete, failed stores, open batches, stale batches, claim, commit.
        assert _count(conn, tmp_path / "complete", complete) == 8
        assert _count(conn, tmp_path / "repeats", lambda: find_repeats(conn, report_id)) == 4


def test_accepting_a_report_awaits_four_answers(database_url: str, tmp_path: Path) -> None:
    """BEGIN, the data cut, the open reports with the newest store, then everything that is written with its COMMIT."""
    load_fleet(database_url, {"store": Store(polls=[(POLL, True)])})
    terms = BatchTerms(2, republish_s=60)

    async def accept_twice() -> int:
        async with connect_async(database_url, application_name="test") as conn:
            await conn.set_autocommit(True)
            # The first one also divides the stores into batches.
            for name in ("first", "second"):
                with _counted(conn, tmp_path / name) as count:
                    accepted = await trigger_report(
                        conn, ReportRequest(force=True), ReportCaller("test"), terms
                    )
                assert len(accepted.wakes) == 1
            return count()

    assert asyncio.run(accept_twice()) == 4
