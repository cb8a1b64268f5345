"""Workers keep one row per store, and the standing job outlives kills, lost leases and new stores."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.live_state import keep_live_state
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from shared.reports.claim import claim_next
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet

NOW = datetime.now(UTC)
RECENT = [(NOW - timedelta(minutes=minutes), minutes > 12) for minutes in range(5, 65, 5)]
UP = [(at, True) for at, _ in RECENT]
# Open from a minute ago to a minute ago of the next day, and closed for two hours around now.
FLEET = {
    "down": Store(RECENT),
    "ended": Store(UP),
    "silent": Store([(NOW - timedelta(days=30), True)]),
    "unseen": Store(),
    "up": Store(UP, "Asia/Kathmandu"),
}


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, FLEET)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "insert into lifetime (store_key, closed_at, since_seq) select store_key, now() - interval '1 hour', 1"
            " from store where store_id = 'ended'"
        )
        conn.execute("update ledger_head set adjusted_seq = 1")
        yield conn


def states(conn: psycopg.Connection) -> dict[str, str]:
    return dict(
        conn.execute("select store_id, state from store_now join store using (store_key) order by 1").fetchall()
    )


def test_every_store_has_a_state(conn: psycopg.Connection, refresh: Callable[[], int]) -> None:
    assert refresh() == 3
    assert states(conn) == {"down": "down", "ended": "ended", "silent": "silent", "unseen": "unknown", "up": "up"}
