"""Polls end to end: exact counts, the last poll wins, and the same table in whatever order the rows arrive."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from services.ingest.parse import seen_polls
from services.ingest.parse.seen_polls import SeenPolls
from services.ingest.run import Limits, LoadOptions, ingest_paths
from services.ingest.write import polls as write_polls
from services.ingest.write.counts import RowCounts
from services.ingest.write.ledger import ImportLedger
from shared.db.connect import connect
from tests.integration.ingest.database import (
    POLLS_HEADER,
    Poll,
    check_ledger,
    counts,
    load,
    load_polls,
    observations,
)

TINY = 200  # bytes of a chunk: a few rows


def poll(store: str, minute: int, status: str = "active") -> Poll:
    """Return a poll `minute` minutes after Monday 2024-09-02."""
    at = datetime(2024, 9, 2, tzinfo=UTC) + timedelta(minutes=minute, microseconds=minute % 7)
    return store, status, f"{at:%Y-%m-%d %H:%M:%S.%f} UTC"


def many_polls(seed: int, rows: int, *, stores: int = 20, minutes: int = 30_000) -> list[Poll]:
    """Return polls of three weeks, some of them repeated."""
    draw = random.Random(seed)
    return [
        poll(f"{draw.randrange(stores):04}", draw.randrange(minutes), draw.choice(["active", "inactive"]))
        for _ in range(rows)
    ]


def expected(*deliveries: list[Poll]) -> tuple[dict[tuple[str, str], bool], list[tuple[int, int, int, int]]]:
    """Return the table and the counts of each file by the obvious loop."""
    table: dict[tuple[str, str], bool] = {}
    found = []
    for delivery in deliveries:
        accepted = duplicate = corrected = 0
        for store, status, at in delivery:
            key, active = (store, at.removesuffix(" UTC")), status == "active"
            before = table.get(key)
            accepted += before is None
            duplicate += before is active
            corrected += before is (not active)
            table[key] = active
        found.append((accepted, duplicate, corrected, 0))
    return table, found


def check_deliveries(
    database_url: str, file: Path, deliveries: Sequence[list[Poll]], chunk_bytes: int
) -> None:
    """Load each delivery, and compare the counts and the table with those of a loop over the rows."""
    table, wanted = expected(*deliveries)
    found = [counts(load_polls(database_url, file, each, chunk_bytes=chunk_bytes)) for each in deliveries]
    assert found == wanted
    assert observations(database_url) == table
    check_ledger(database_url)


def test_a_new_store_is_inserted_with_its_first_poll(database_url: str, tmp_path: Path) -> None:
    load_polls(database_url, tmp_path / "polls.csv", [poll("b", 7), poll("a", 14), poll("b", 0)])
    with psycopg.connect(database_url) as conn:
        found = conn.execute(
            "select store_id, first_polled_at = (select min(observed_at) from observation"
            "   where observation.store_key = store.store_key),"
            " polled_since_seq = (select min(commit_seq) from import_chunk), ctid::text from store order by 1"
        ).fetchall()
    # An update would have moved the rows.
    assert found == [("a", True, True, "(0,1)"), ("b", True, True, "(0,2)")]


def test_good_and_bad_rows_are_all_counted(database_url: str, tmp_path: Path) -> None:
    good = [",".join(poll("007", minute)) for minute in range(3)]
    rows = [
        POLLS_HEADER.upper(),
        good[0],
        "007,active",
        good[1] + "\r",
        "",
        "fca22568-98bf-449b-89ed-15a37ab475e1,INACTIVE,2024-09-02T00:00:00Z",
        "8419537941919820732,open,2024-09-02 00:00:00 UTC",
        '"a,""b""",active,"2024-09-02 02:00:00+02:00"',
        good[0],
        good[0].replace("active", "inactive"),
        "x,activ\udcff,2024-09-02 00:00:00 UTC",
        good[2],
    ]
    result = load(database_url, tmp_path / "polls.csv", rows)
    assert counts(result) == (5, 1, 1, 3)
    assert [(reject.line, reject.reason) for reject in result.first_rejects] == [
        (3, "columns"),
        (7, "status"),
        (11, "encoding"),
    ]
    lines = (tmp_path / "polls.csv").read_bytes().split(b"\n")
    for reject in result.first_rejects:
        assert reject.raw == lines[reject.line - 1]
        assert (tmp_path / "polls.csv").read_bytes()[reject.byte_offset :].startswith(reject.raw)
    table = observations(database_url)
    assert table["007", "2024-09-02 00:00:00.000000"] is False
    assert table['a,"b"', "2024-09-02 00:00:00.000000"] is True
    assert {store for store, _ in table} == {"007", "fca22568-98bf-449b-89ed-15a37ab475e1", 'a,"b"'}


@pytest.mark.parametrize("chunk_bytes", [TINY, 1 << 20])
def test_counts_equal_those_of_a_loop_over_the_rows(
    database_url: str, tmp_path: Path, chunk_bytes: int
) -> None:
    deliveries = [many_polls(seed, 600, stores=4, minutes=150) for seed in (1, 2)]
    deliveries += [many_polls(3, 300), deliveries[0][::-1]]
    check_deliveries(database_url, tmp_path / "polls.csv", deliveries, chunk_bytes)


def test_false_alarms_of_the_filter_change_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = SeenPolls.add_polls
    monkeypatch.setattr(SeenPolls, "add_polls", lambda *args: honest(*args) | (args[2] % 2 == 0))
    delivery = many_polls(4, 500, stores=4, minutes=150)
    table, (wanted,) = expected(delivery)
    assert counts(load_polls(database_url, tmp_path / "a.csv", delivery, chunk_bytes=TINY)) == wanted
    assert observations(database_url) == table


@pytest.mark.parametrize(("filters", "pending"), [(1, 1000), (3, 1000), (99, 50)])
def test_a_file_of_more_polls_than_are_remembered_is_counted_exactly(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: int, pending: int
) -> None:
    monkeypatch.setattr(write_polls, "MOST_PENDING", pending)
    monkeypatch.setattr(seen_polls, "FILTER_POLLS", 40)
    monkeypatch.setattr(seen_polls, "MOST_FILTERS", filters)
    deliveries = [many_polls(seed, 500, stores=4, minutes=30_000) for seed in (7, 8)]
    deliveries[0] += random.Random(9).sample(deliveries[0], 200)
    check_deliveries(database_url, tmp_path / "polls.csv", deliveries, TINY)


def test_order_of_rows_and_size_of_chunks_change_nothing(database_url: str, tmp_path: Path) -> None:
    polls = sorted({(store, at): (store, status, at) for store, status, at in many_polls(5, 800)}.values())
    shuffled = random.Random(6).sample(polls, len(polls))
    first = load_polls(database_url, tmp_path / "a.csv", polls)
    before = observations(database_url)
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "truncate observation, store, business_hours, import, import_chunk, import_reject, import_pending cascade"
        )
        conn.execute("update ledger_head set seq = 0, latest_observed_at = null")
    second = load_polls(database_url, tmp_path / "b.csv", shuffled, chunk_bytes=TINY)
    assert counts(first) == counts(second) == (len(polls), 0, 0, 0)
    assert observations(database_url) == before


def test_weeks_are_created_and_chunks_recorded_in_the_ledger(database_url: str, tmp_path: Path) -> None:
    polls = [poll("a", minute * 1440) for minute in range(28)]
    result = load_polls(database_url, tmp_path / "polls.csv", polls, chunk_bytes=TINY)
    with psycopg.connect(database_url) as conn:
        weeks = conn.execute("select count(*) from pg_inherits where inhparent = 'observation'::regclass")
        assert weeks.fetchone() == (4,)
        chunks = conn.execute(
            "select first_byte, end_byte, commit_seq from import_chunk where import_id = %s order by chunk_no",
            [result.id],
        ).fetchall()
        stored = conn.execute("select sha256, size_bytes, state from import").fetchone()
    size = (tmp_path / "polls.csv").stat().st_size
    assert chunks[0][0] == len(POLLS_HEADER) + 1
    assert [end for _, end, _ in chunks[:-1]] == [first for first, _, _ in chunks[1:]]
    assert chunks[-1][1] == size
    assert [seq for _, _, seq in chunks] == list(range(1, len(chunks) + 1))
    assert stored is not None
    assert stored[1:] == (size, "succeeded")


def test_concurrent_imports_count_every_row_once(database_url: str, tmp_path: Path) -> None:
    deliveries = [many_polls(seed, 400, stores=5, minutes=11_000) for seed in range(4)]
    files = []
    for number, delivery in enumerate(deliveries):
        files.append(tmp_path / f"{number}.csv")
        files[-1].write_text("\n".join([POLLS_HEADER, *map(",".join, delivery)]))
    with ThreadPoolExecutor(len(files)) as threads:
        results = list(
            threads.map(
                lambda file: ingest_paths(
                    database_url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=1000))
                )[0],
                files,
            )
        )
    check_ledger(database_url)
    keys = {(store, at) for delivery in deliveries for store, _, at in delivery}
    assert all(sum(counts(result)) == 400 for result in results)
    assert sum(result.accepted for result in results) == len(keys) == len(observations(database_url))


def test_the_next_import_finishes_what_a_killed_one_left(database_url: str, tmp_path: Path) -> None:
    """A killed bulk load leaves unindexed weeks and pending polls."""
    _, _, at = poll("a", 7)
    with connect(database_url, application_name="test") as conn:
        dead = ImportLedger.create(conn, "polls", "killed.csv")
        conn.execute("select ensure_observation_partition('2024-09-02 00:00Z', false)")
        conn.execute("insert into store (store_id) values ('a')")
        conn.execute("insert into observation select store_key, %s, true from store", [at])
        dead.count_for(dead.import_id, RowCounts(accepted=1))
        conn.execute("update ledger_head set seq = 1, latest_observed_at = %s", [at])
        conn.execute(
            "insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq, min_at, max_at)"
            " values (%s, 0, 0, 1, 1, %s, %s)",
            [dead.import_id, at, at],
        )
        conn.execute("update store set first_polled_at = %s, polled_since_seq = 1", [at])
        for status in (False, True, True):
            conn.execute(
                "insert into import_pending (import_id, store_key, observed_at, first_active, is_active)"
                " select %s, store_key, %s, %s, %s from store",
                [dead.import_id, at, status, status],
            )
    result = load_polls(database_url, tmp_path / "next.csv", [poll("a", 7, "inactive"), poll("a", 8)])
    assert counts(result) == (1, 0, 1, 0)
    with psycopg.connect(database_url) as conn:
        row = conn.execute("select accepted, duplicate, corrected from import where source = 'killed.csv'")
        assert row.fetchone() == (1, 1, 2)
