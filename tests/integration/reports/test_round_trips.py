"""How often the end of a report asks the database: each question costs a round trip, however small the report is."""

from collections.abc import Callable
from pathlib import Path

import psycopg

from shared.reports.claim import LeaseTerms, claim_batch
from shared.reports.complete import complete_batch
from shared.reports.consistency import find_repeats
from shared.storage import StoredObject
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.integration.reports.test_report_protocol import POLL

TERMS = LeaseTerms("worker-a", lease_s=60, max_attempts=5)


def _count(conn: psycopg.Connection, path: Path, step: Callable[[], object]) -> int:
    """Return how often a step waits for an answer of the server, by libpq's record of what it sends."""
    with path.open("w") as trace:
        conn.pgconn.trace(trace.fileno())
        step()
        conn.pgconn.untrace()
    return sum(
        line.split("\t")[3] in ("Query", "Sync") for line in path.read_text().splitlines() if "\tF\t" in line
    )


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
