"""Batches give the same bytes from partitions and from files, whatever was committed before: now, and at earlier cuts."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection

from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from services.worker.load import one_snapshot
from services.worker.part import RenderedPart, render_part
from shared.reports.batch import Batch
from shared.sealed import week_file
from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import WeekPiece
from tests.fixtures.sealing import open_all, seal, sealed_weeks, stored_polls
from tests.integration.reports.test_input_cache import CacheWorld

STEPS = int(os.environ.get("SEALED_STEPS", "6"))


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url) as conn:
        conn.rollback()
        yield conn


def part(worker: WorkerContext, conn: Connection, cache: InputCache, batch: Batch) -> RenderedPart:
    with one_snapshot(conn, worker.storage) as moment:
        return render_part(batch, cache.load_input(conn, batch, moment))


def at_cuts(world: CacheWorld, conn: Connection, batch: Batch) -> list[Batch]:
    """The batch now, and pinned to an earlier number that can be read."""
    ((oldest, newest),) = conn.execute("select history_from_seq, data_cut from ledger_head").fetchall()
    ((dropped,),) = conn.execute("select coalesce(max(seq), 0) from dropped_week").fetchall()
    conn.rollback()
    cut = world.random.randint(max(oldest, dropped, 1), newest)
    return [batch, replace(batch, pinned_cut=cut)]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_week_is_the_same_as_a_partition_and_as_a_file(
    database_url: str, conn: Connection, worker: WorkerContext, tmp_path: Path, seed: int
) -> None:
    world, cache = CacheWorld(database_url, tmp_path, seed), InputCache(1 << 27)
    for _ in range(STEPS):
        batches = [each for _ in range(4) for each in at_cuts(world, conn, world.batch())]
        in_table = [part(worker, conn, InputCache(0), batch) for batch in batches]
        rows = stored_polls(worker)
        seal(worker)
        assert sealed_weeks(worker)
        assert stored_polls(worker) == []
        for batch, expected in zip(batches, in_table, strict=True):
            assert part(worker, conn, InputCache(0), batch) == expected
            assert part(worker, conn, cache, batch) == expected
        open_all(worker)
        assert stored_polls(worker) == rows
        world.change()


def test_only_some_weeks_are_sealed(
    database_url: str, conn: Connection, worker: WorkerContext, tmp_path: Path
) -> None:
    """Each store's polls come from both."""
    world = CacheWorld(database_url, tmp_path, 3)
    batches = [world.batch() for _ in range(12)]
    in_table = [part(worker, conn, InputCache(0), batch) for batch in batches]
    seal(worker, world.now)
    assert sealed_weeks(worker)
    assert stored_polls(worker)
    assert [part(worker, conn, InputCache(0), batch) for batch in batches] == in_table


def test_a_file_has_several_row_groups(
    database_url: str,
    conn: Connection,
    worker: WorkerContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch of some stores reads the groups of these stores alone."""
    from services.worker.seal import write_week  # noqa: PLC0415

    monkeypatch.setattr(write_week, "STORES_IN_GROUP", 1)
    world = CacheWorld(database_url, tmp_path, 4)
    batches = [world.batch() for _ in range(12)]
    in_table = [part(worker, conn, InputCache(0), batch) for batch in batches]
    rows = stored_polls(worker)
    seal(worker)
    read: list[int] = []
    whole = week_file.read_groups

    def count(
        key: str, size: int, pieces: Iterable[tuple[WeekPiece, bytes]], numbers: Sequence[int]
    ) -> SealedRows:
        read.append(len(numbers))
        return whole(key, size, pieces, numbers)

    monkeypatch.setattr(week_file, "read_groups", count)
    assert [part(worker, conn, InputCache(0), batch) for batch in batches] == in_table
    assert {2, 3} <= set(read)
    open_all(worker)
    assert stored_polls(worker) == rows
