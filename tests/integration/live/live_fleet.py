"""A small fleet with a store in most states, polled up to a few minutes ago."""

from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.types.json import Jsonb

from tests.fixtures.fleet import Store, load_fleet

STATES = {"down": "down", "ended": "ended", "silent": "silent", "unseen": "unknown", "up": "up"}
LABELS = {"down": {"city": "oslo"}, "silent": {"city": "rome"}, "up": {"city": "oslo"}}


def load_live_fleet(database_url: str, conn: psycopg.Connection) -> None:
    """Load it as one change. Two inactive polls of `down` are the last ones; `ended` closed an hour ago for ever."""
    now = datetime.now(UTC)
    recent = [(now - timedelta(minutes=minutes), minutes > 12) for minutes in range(5, 65, 5)]
    always_up = [(at, True) for at, _ in recent]
    fleet = {
        "down": Store(recent),
        "ended": Store(always_up),
        "silent": Store([(now - timedelta(days=30), True)]),
        "unseen": Store(),
        "up": Store(always_up, "Asia/Kathmandu"),
    }
    load_fleet(database_url, fleet)
    conn.execute(
        "insert into lifetime (store_key, closed_at, since_seq) select store_key, now() - interval '1 hour', 1"
        " from store where store_id = 'ended'"
    )
    conn.execute("update ledger_head set adjusted_seq = 1")
    for store_id, labels in LABELS.items():
        conn.execute("update store set labels = %s where store_id = %s", [Jsonb(labels), store_id])


def make_weeks_of_now(conn: psycopg.Connection) -> None:
    """Make the partitions of polls of the last hours. A week may have begun since the fleet was loaded."""
    conn.execute(
        "select ensure_observation_partition(now() - hours) from unnest('{0 h, 3 h}'::interval[]) hours"
    )


def change_polls(conn: psycopg.Connection, store_id: str, *, active: bool) -> None:
    """Add a poll of a minute ago, as one change."""
    make_weeks_of_now(conn)
    conn.execute(
        "update ledger_head set seq = seq + 1, history_seq = seq + 1,"
        " latest_observed_at = greatest(latest_observed_at, now())"
    )
    conn.execute(
        "insert into observation (store_key, observed_at, is_active)"
        " select store_key, now() - interval '1 minute', %s from store where store_id = %s",
        [active, store_id],
    )
