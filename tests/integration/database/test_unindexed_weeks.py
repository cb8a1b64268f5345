"""While a large load has unindexed weeks, readers read such a week once for all stores, not once for each."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.rows import tuple_row

from services.worker.load import read_polls, read_polls_after, read_polls_before
from services.worker.load_past import read_past_polls
from shared.clock import to_us
from shared.db.queries import queries
from shared.inputs.data_range import DataRange
from shared.inputs.stores import Stores
from shared.sealed.reader import NONE_SEALED
from shared.uptime.intervals import Int64s
from shared.uptime.policy import POLICIES
from shared.uptime.states import Polls
from tests.fixtures.fleet import Store, load_fleet

Read = Callable[[psycopg.Connection, Stores], Any]
STORES = 40
AS_OF = datetime.fromisoformat("2025-03-12T12:00+00:00")  # a Wednesday
MOST_SCANS = 3


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    """Every store has polls every six hours in two weeks. The first ones have none in the newest days."""
    fleet = {}
    for number in range(STORES):
        newest = AS_OF - timedelta(days=5 if number < 8 else 0, minutes=number)
        polls = [(newest - timedelta(hours=6 * step), (number + step) % 3 > 0) for step in range(16)]
        fleet[f"store-{number:02}"] = Store(polls)
    load_fleet(database_url, fleet)
    with psycopg.connect(database_url, row_factory=tuple_row) as conn:
        conn.execute(
            "insert into dated_hours (store_key, effective_from, intervals, since_seq)"
            " select store_key, %s, '{}', 1 from store",
            [AS_OF.date() - timedelta(days=3)],
        )
        conn.execute("analyze")
        yield conn


def batch_range() -> DataRange:
    every_from = AS_OF - timedelta(days=1)
    return DataRange(every_from - timedelta(days=6), every_from, AS_OF)


def as_rows(polls: Polls) -> list[tuple[int, ...]]:
    return sorted(zip(*(array.tolist() for array in (polls.store, polls.at_us, polls.active)), strict=True))


def run(conn: psycopg.Connection, file: str, name: str, values: dict[str, object]) -> list[tuple[Any, ...]]:
    return conn.execute(queries(file)[name], values, prepare=False).fetchall()


def search_before(conn: psycopg.Connection, stores: Stores) -> list[tuple[int, ...]]:
    places = np.arange(len(stores.keys))
    before_us = to_us(AS_OF) - 86_400_000_000 - places * 60_000_000
    found = [
        as_rows(read_polls_before(conn, stores, places, before_us, policy, NONE_SEALED))
        for policy in POLICIES.values()
    ]
    return [row for rows in found for row in rows]


def touched(conn: psycopg.Connection, stores: Stores) -> list[tuple[Any, ...]]:
    """Is there anything new? The snapshot that is compared with is one of the ledger."""
    conn.execute(
        "insert into import (id, origin, kind, source, state) values (gen_random_uuid(), 'change', 'polls', 'x', 'running')"
    )
    conn.execute(
        "insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq, min_at, max_at)"
        " select id, number, 0, 0, number, %s, %s from import, generate_series(1, 2) number",
        [AS_OF - timedelta(days=1), AS_OF],
    )
    ((import_id, committed_at),) = conn.execute(
        "select import_id, committed_at from import_chunk where commit_seq = 1"
    ).fetchall()
    return run(
        conn,
        "now",
        "touched",
        {
            "seq": 1,
            "import_id": import_id,
            "committed_at": committed_at,
            "store_keys": stores.keys.tolist(),
            "from_time": AS_OF - timedelta(days=2),
            "to_time": AS_OF + timedelta(days=2),
        },
    )


def compare_polls(conn: psycopg.Connection, stores: Stores) -> list[tuple[Any, ...]]:
    keys: Int64s = np.repeat(stores.keys, 2)
    stored = [to_us(AS_OF - timedelta(minutes=place)) for place in range(len(stores.keys))]
    return run(
        conn,
        "ingest",
        "compare_polls",
        {
            "store_keys": keys.tolist(),
            "at_us": [at for each in stored for at in (each, each + 1)],
            "earliest": AS_OF - timedelta(days=1),
            "latest": AS_OF,
        },
    )


LIST: dict[str, object] = {
    "store_id": None,
    "after_id": None,
    "text": None,
    "labels": None,
    "scope": None,
    "limit": STORES,
    "store_keys": None,
    "since": AS_OF - timedelta(weeks=52),
}
READERS: dict[str, Read] = {
    "polls of a report": lambda conn, stores: as_rows(read_polls(conn, stores, batch_range(), NONE_SEALED)),
    "polls since the last report": lambda conn, stores: as_rows(
        read_polls_after(conn, stores, AS_OF - timedelta(hours=30), AS_OF, NONE_SEALED)
    ),
    "polls before outages": search_before,
    "polls at an earlier cut": lambda conn, stores: as_rows(
        read_past_polls(conn, stores, batch_range(), 1, NONE_SEALED)
    ),
    "list of stores": lambda conn, _: run(conn, "stores", "list_stores", LIST),
    "a dry run": compare_polls,
    "stores that are silent, for metrics": lambda conn, _: run(
        conn, "facts", "silent_stores", {"silent_after": timedelta(days=3)}
    ),
    "stores that are silent since their hours changed": lambda conn, _: run(
        conn,
        "diagnostics",
        "silent_since_hours_changed",
        {"store_keys": None, "left_out": [], "examples": 50},
    ),
    "stores that are silent, after an import": lambda conn, _: run(
        conn, "quality", "stores_silent", {"newest": AS_OF}
    ),
}


def drop_indexes(conn: psycopg.Connection) -> None:
    """Leave the weeks as a load does that has not ended, and count scans from now on."""
    for (index,) in conn.execute(
        "select indexrelid::regclass::text from pg_index join pg_inherits on inhrelid = indrelid"
        " where inhparent = 'observation'::regclass"
    ).fetchall():
        conn.execute(f"drop index {index}".encode())
    conn.execute("select pg_stat_force_next_flush()")
    conn.commit()


def count_scans(conn: psycopg.Connection) -> int:
    """Count the scans of whole weeks in this transaction, of the week that was scanned most."""
    ((scans,),) = conn.execute(
        "select coalesce(max(seq_scan), 0) from pg_stat_xact_user_tables where starts_with(relname, 'observation_')"
    ).fetchall()
    return int(scans)


def read_stores(conn: psycopg.Connection) -> Stores:
    rows = conn.execute("select store_key, store_id, timezone from store order by store_id").fetchall()
    keys, ids, zones = zip(*rows, strict=True)
    return Stores(np.array(keys, dtype=np.int64), ids, zones)


@pytest.mark.parametrize("reader", list(READERS))
def test_an_unindexed_week_is_read_once_for_all_stores(conn: psycopg.Connection, reader: str) -> None:
    read, stores = READERS[reader], read_stores(conn)
    indexed = read(conn, stores)
    assert indexed
    drop_indexes(conn)
    assert read(conn, stores) == indexed
    assert count_scans(conn) <= MOST_SCANS * (len(POLICIES) if read is search_before else 1)


def test_live_state_does_not_search_unindexed_weeks(conn: psycopg.Connection) -> None:
    """What was known before stands in for the last polls, and a refresh looks again without searching for changes."""
    stores = read_stores(conn)
    asked: dict[str, object] = {"store_keys": stores.keys.tolist(), "before": AS_OF - timedelta(days=3)}
    ((found, is_final),) = run(conn, "now", "last_polls", asked)
    assert (len(found), is_final) == (STORES * 13, True)
    conn.execute(
        "insert into store_now (store_key, batch_no, state, day_from, counted_at, up_us, down_us, down_open_us,"
        " inactive_polls, digest, last_poll_at, last_poll_active)"
        " select store_key, 0, 'silent', %(at)s, %(at)s, 0, 0, 0, 0, 0, %(at)s, true from store",
        {"at": AS_OF - timedelta(days=4)},
    )
    drop_indexes(conn)
    ((found, is_final),) = run(conn, "now", "last_polls", asked)
    assert (len(found), is_final) == (STORES * 13, False)
    assert touched(conn, stores) == [(True,)]
    assert count_scans(conn) == 0


def test_polls_after_a_closure_are_not_looked_for(conn: psycopg.Connection) -> None:
    conn.execute(
        "insert into lifetime (store_key, closed_at, since_seq) select store_key, %s, 1 from store",
        [AS_OF - timedelta(days=6)],
    )
    asked: dict[str, object] = {"store_keys": None, "left_out": [], "examples": 3}
    ((_, stores, _),) = run(conn, "diagnostics", "polls_after_closed", asked)
    assert stores == STORES
    drop_indexes(conn)
    assert run(conn, "diagnostics", "polls_after_closed", asked) == []
    assert count_scans(conn) == 0


def test_quality_of_an_import_samples_no_unindexed_week(conn: psycopg.Connection) -> None:
    asked: dict[str, object] = {
        "store_keys": read_stores(conn).keys.tolist(),
        "newest": AS_OF,
        "polls": 10,
    }
    ((found,),) = run(conn, "quality", "sample_polls", asked)
    assert found
    drop_indexes(conn)
    assert run(conn, "quality", "sample_polls", asked) == [(None,)]
    assert count_scans(conn) == 0
