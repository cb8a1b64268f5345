"""Pieces of a stream are sent at the same time: the object has them in their order, or does not appear at all."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from services.worker.context import WorkerContext
from shared.errors import StorageUnavailable
from shared.settings import Settings
from shared.storage import Storage
from tests.fixtures.buckets import content_of
from tests.fixtures.hooked_storage import hooked_storage, piece_number

PIECE = 8 << 20
KEY = "reports/pieces"
# Four whole pieces and a part of one.
SIZE = 4 * PIECE + 12_345
_WAIT_S = 60.0


def blocks(size: int = SIZE) -> Iterator[bytes]:
    """Blocks that are no divisors of a piece, none like another."""
    drawn = random.Random(1)
    for first in range(0, size, 700_001):
        yield drawn.randbytes(min(700_001, size - first))


def assert_nothing_left(storage: Storage) -> None:
    assert list(storage.list(KEY)) == []
    assert list(storage.open_uploads(KEY)) == []


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, SIZE])
def test_the_object_is_its_blocks(worker: WorkerContext, size: int) -> None:
    expected = b"".join(blocks(size))
    stored = worker.storage.put_stream(KEY, blocks(size), "text/plain")
    assert stored.size_bytes == size
    worker.storage.verify(stored)
    assert content_of(worker.storage, KEY) == expected
    assert list(worker.storage.open_uploads(KEY)) == []


def test_three_pieces_are_sent_at_the_same_time_in_any_order(settings: Settings) -> None:
    third_is_sent = threading.Event()

    def hook(params: dict[str, Any]) -> None:
        if piece_number(params) < 3:
            assert third_is_sent.wait(_WAIT_S), "the first two pieces wait for the third"
        elif piece_number(params) == 3:
            third_is_sent.set()

    storage = hooked_storage(settings, UploadPart=hook)
    stored = storage.put_stream(KEY, blocks(), "text/plain")
    storage.verify(stored)
    assert content_of(storage, KEY) == b"".join(blocks())


def test_no_more_than_three_pieces_are_held(settings: Settings) -> None:
    """While the first three are on their way, the caller fills a fourth, and waits."""
    given = 0
    seen: list[int] = []
    every = threading.Barrier(3)
    is_waiting = threading.Event()

    def count() -> Iterator[bytes]:
        nonlocal given
        for block in blocks(7 * PIECE):
            given += len(block)
            if given > 4 * PIECE:
                is_waiting.set()
            yield block

    def hook(params: dict[str, Any]) -> None:
        if piece_number(params) <= 3:
            every.wait(_WAIT_S)
            # The caller can go on until its own piece is full.
            assert is_waiting.wait(_WAIT_S)
            seen.append(given)

    storage = hooked_storage(settings, UploadPart=hook)
    storage.verify(storage.put_stream(KEY, count(), "text/plain"))
    assert len(seen) == 3
    assert min(seen) <= 4 * PIECE + 700_001


@pytest.mark.parametrize("failing", [1, 2, 3, 4, 5])
def test_a_piece_that_fails_on_its_way_leaves_nothing(settings: Settings, failing: int) -> None:
    def hook(params: dict[str, Any]) -> None:
        if piece_number(params) == failing:
            raise StorageUnavailable("this piece fails")

    storage = hooked_storage(settings, UploadPart=hook)
    with pytest.raises(StorageUnavailable, match="this piece fails"):
        storage.put_stream(KEY, blocks(), "text/plain")
    assert_nothing_left(storage)


def test_a_source_that_fails_leaves_nothing(worker: WorkerContext) -> None:
    def broken() -> Iterator[bytes]:
        yield from blocks(2 * PIECE + 5)
        raise KeyError("the source fails")

    with pytest.raises(KeyError, match="the source fails"):
        worker.storage.put_stream(KEY, broken(), "text/plain")
    assert_nothing_left(worker.storage)


def test_no_thread_stays_behind(worker: WorkerContext) -> None:
    worker.storage.put_stream(KEY, blocks(), "text/plain")
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("pieces")] == []
