"""Polls of weeks that hold polls already: compared in this process or by the server, with the outcome of a loop."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from services.ingest.run import Limits, LoadOptions, LoadProgress, ingest_paths
from services.ingest.write import packed_polls
from tests.integration.ingest.database import (
    POLLS_HEADER,
    Poll,
    check_ledger,
    counts,
    load_polls,
    observations,
)

_MONDAY = datetime(2024, 9, 2, tzinfo=UTC)


def polls_of_one_week(seed: int, rows: int) -> list[Poll]:
    draw = random.Random(seed)
    return [
        (
            f"{draw.randrange(10)}",
            draw.choice(["active", "inactive"]),
            f"{_MONDAY + timedelta(minutes=draw.randrange(600)):%Y-%m-%d %H:%M:%S} UTC",
        )
        for _ in range(rows)
    ]


class Loop:
    """The obvious oracle: one poll after the other."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], bool] = {}

    def deliver(self, polls: Sequence[Poll]) -> tuple[int, int, int, int]:
        """Counts: accepted, duplicate, corrected, rejected."""
        found = [0, 0, 0, 0]
        for store, status, at in polls:
            active = status == "active"
            before = self.table.get((store, f"{at.removesuffix(' UTC')}.000000"))
            found[0 if before is None else 1 if before is active else 2] += 1
            self.table[store, f"{at.removesuffix(' UTC')}.000000"] = active
        return found[0], found[1], found[2], found[3]


def test_a_week_that_is_read_in_pieces(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_polls, "_READ_PAGES", 3)
    loop = Loop()
    for number, rows in enumerate((6000, 4000, 4000)):
        polls = polls_of_one_week(number, rows)
        result = load_polls(database_url, tmp_path / f"{number}.csv", polls, chunk_bytes=70_000)
        assert counts(result) == loop.deliver(polls)
        assert observations(database_url) == loop.table


def test_a_few_polls_for_a_full_week_are_compared_by_the_server(database_url: str, tmp_path: Path) -> None:
    loop = Loop()
    for number, rows in enumerate((4000, 5, 3000, 1)):
        polls = polls_of_one_week(number, rows)
        result = load_polls(database_url, tmp_path / f"{number}.csv", polls, chunk_bytes=70_000)
        assert counts(result) == loop.deliver(polls)
        assert observations(database_url) == loop.table


def test_polls_that_another_import_writes_in_between_are_seen(database_url: str, tmp_path: Path) -> None:
    loop = Loop()
    before, mine, theirs = (polls_of_one_week(seed, 4500) for seed in range(3))
    load_polls(database_url, tmp_path / "before.csv", before)
    loop.deliver(before)
    file = tmp_path / "mine.csv"
    file.write_text("\n".join([POLLS_HEADER, *(",".join(poll) for poll in mine)]) + "\n")
    delivered = 0
    found = [0, 0, 0, 0]

    def interrupt(progress: LoadProgress) -> None:
        nonlocal delivered, found
        chunk = mine[delivered : progress.rows_read]
        found = [a + b for a, b in zip(found, loop.deliver(chunk), strict=True)]
        if delivered == 0:
            assert len(chunk) < len(mine)
            loop.deliver(theirs)
            load_polls(database_url, tmp_path / "theirs.csv", theirs)
        delivered = progress.rows_read

    (result,) = ingest_paths(
        database_url,
        [str(file)],
        options=LoadOptions(limits=Limits(chunk_bytes=70_000), on_progress=interrupt),
    )
    assert counts(result) == tuple(found)
    assert observations(database_url) == loop.table
    check_ledger(database_url)


def test_stores_with_keys_that_do_not_fit_are_compared_by_the_server(
    database_url: str, tmp_path: Path
) -> None:
    """A key of 24 bits loses its highest ones in memory, and then looks like the key of another store."""
    loop = Loop()

    def deliver(name: str, polls: Sequence[Poll]) -> None:
        result = load_polls(database_url, tmp_path / name, polls, chunk_bytes=70_000)
        assert counts(result) == loop.deliver(polls)
        assert observations(database_url) == loop.table

    near, mixed, later = (polls_of_one_week(seed, 4500) for seed in range(3))
    deliver("near.csv", near)
    with psycopg.connect(database_url) as conn:
        conn.execute("alter table store alter column store_key restart with 8388609")
    far = [(f"far-{store}", status, at) for store, status, at in polls_of_one_week(3, 4500)]
    # Parts of a file that only the memory compares, only the server, and the memory again.
    deliver("both.csv", [*later, *far, *mixed, *far[:10], *mixed])
    deliver("again.csv", [*mixed, *near])
