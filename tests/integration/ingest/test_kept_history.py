"""What ingest keeps of what it replaces, at the edges: large ledger numbers, and writers that keep nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from services.ingest.run import ingest_paths
from shared.db.queries import queries
from tests.integration.ingest.database import POLLS_HEADER, load_polls

AT = "2024-09-02 00:00:00 UTC"
_SQL = queries("history")
_EVER: dict[str, object] = {
    "from_time": datetime(1990, 1, 1, tzinfo=UTC),
    "to_time": datetime(2090, 1, 1, tzinfo=UTC),
    # No week is sealed.
    **{key: [] for key in ("sealed_keys", "sealed_at_us", "sealed_active", "sealed_seqs")},
}


def polls_at(conn: psycopg.Connection, seq: int) -> list[tuple[bool, int]]:
    """Return the status of each poll of the one store, and the change that brought it."""
    rows = conn.execute(_SQL["polls_of_store"], {"store_key": 1, "seq": seq, **_EVER})
    return [(is_active, brought) for _, is_active, brought, *_ in rows]


def load(database_url: str, file: Path, status: str) -> None:
    file.write_text(f"{POLLS_HEADER}\na,{status},{AT}\n")
    (done,) = ingest_paths(database_url, [str(file)])
    assert done.state == "succeeded"


def head(conn: psycopg.Connection) -> Mapping[str, int]:
    row = conn.execute("select seq, history_from_seq from ledger_head").fetchone()
    assert row is not None
    return {"seq": row[0], "oldest": row[1]}


@pytest.mark.parametrize("start", [2**31 - 3, 2**32 - 3, 5 * 2**32 - 3])
def test_ledger_numbers_of_more_than_32_bits(database_url: str, tmp_path: Path, start: int) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("update ledger_head set seq = %(seq)s, history_seq = %(seq)s", {"seq": start})
        expected = {start: list[tuple[bool, int]]()}
        for number, status in enumerate(["active", "inactive", "active", "inactive"]):
            load(database_url, tmp_path / f"{number}.csv", status)
            last = "select max(commit_seq) from import_chunk where min_at is not null"
            ((brought,),) = conn.execute(last).fetchall()
            expected[head(conn)["seq"]] = [(status == "active", brought)]
        assert max(expected) > start + 3
        assert {seq: polls_at(conn, seq) for seq in expected} == expected


def test_each_poll_names_its_import_and_lines(database_url: str, tmp_path: Path) -> None:
    polls = [("a", "active", f"2024-09-02 00:{minute:02}:00 UTC") for minute in range(40)]
    done = load_polls(database_url, tmp_path / "polls.csv", polls, chunk_bytes=400)
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            _SQL["polls_of_store"], {"store_key": 1, "seq": head(conn)["seq"], **_EVER}
        ).fetchall()
    assert len(rows) == len(polls)
    for line, (_, _, _, import_id, source, _, _, first_line, last_line, *_) in enumerate(rows, 2):
        assert (import_id, source) == (done.id, str(tmp_path / "polls.csv"))
        assert first_line <= line <= last_line < first_line + 20


def test_a_writer_that_keeps_nothing_ends_what_can_be_read(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "polls.csv", "active")
    with psycopg.connect(database_url) as conn:
        assert head(conn)["oldest"] == 0
        # As the release before commits.
        conn.execute("update observation set is_active = not is_active")
        conn.execute("update ledger_head set seq = seq + 1")
        assert head(conn)["oldest"] == head(conn)["seq"]
        conn.commit()
        load(database_url, tmp_path / "more.csv", "inactive")
        assert head(conn)["oldest"] < head(conn)["seq"]
