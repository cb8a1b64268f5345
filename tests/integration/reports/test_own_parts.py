"""A merge does not read back what its own worker uploaded, and writes the same file."""

from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

import psycopg
import pytest

from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from services.worker.memory import divide_cache
from services.worker.own_parts import OwnParts
from shared.db.connect import make_pool
from shared.ids import new_id
from shared.reports.claim import LeaseTerms
from shared.reports.formats import FileKind
from shared.settings import Settings
from shared.storage import StoredObject
from shared.storage.multipart import LEAST_PIECE_BYTES
from tests.fixtures.buckets import content_of
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.hooked_storage import hooked_storage
from tests.fixtures.in_process import work
from tests.fixtures.reports import trigger

POLL = datetime(2024, 10, 14, 12, tzinfo=UTC)
FILES: tuple[FileKind, ...] = ("report", "outages")
MIB = 1 << 20


class Worker:
    """A worker of this process that notes which parts it reads."""

    def __init__(self, settings: Settings, own: OwnParts) -> None:
        self.parts_read: list[str] = []
        storage = hooked_storage(settings, GetObject=lambda params: self._note(params["url_path"]))
        self._pool = make_pool(settings.database_url.get_secret_value(), application_name="test", max_size=2)
        terms = LeaseTerms("test", 60, 5)
        self.context = WorkerContext(self._pool, storage, terms, lambda _: None, InputCache(0), own)

    def __enter__(self) -> Self:
        self._pool.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def _note(self, path: str) -> None:
        if "part" in path:
            self.parts_read.append(path)


@pytest.fixture
def report_ids(database_url: str) -> list[UUID]:
    """Two equal reports of three batches."""
    stores = {f"store-{n}": Store(polls=[(POLL - timedelta(hours=n), n % 2 == 0)]) for n in range(6)}
    load_fleet(database_url, stores)
    return [trigger(database_url, files=FILES).report_id for _ in range(2)]


def file_bytes(settings: Settings, context: WorkerContext, report_id: UUID) -> list[bytes]:
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        rows = conn.execute(
            "select object from report_file where report_id = %s order by kind", [report_id]
        ).fetchall()
    return [content_of(context.storage, key) for (key,) in rows]


def test_own_parts_are_not_read_and_the_files_are_the_same(
    settings: Settings, report_ids: list[UUID]
) -> None:
    made = []
    for own, report_id, reads in zip((OwnParts(MIB), OwnParts()), report_ids, (0, 6), strict=True):
        with Worker(settings, own) as worker:
            work(worker.context, str(report_id))
            assert len(worker.parts_read) == reads
            made.append(file_bytes(settings, worker.context, report_id))
    assert made[0] == made[1]
    assert [len(data.splitlines()) > 1 for data in made[0]] == [True, True]


def part(data: bytes, sha256: str = "00") -> StoredObject:
    return StoredObject(str(new_id()), len(data), sha256)


def test_the_oldest_parts_give_way() -> None:
    own, data = OwnParts(30), b"ten bytes."
    parts = [part(data) for _ in range(4)]
    for each in parts:
        own.keep(each, data)
    assert [own.find(each) is not None for each in parts] == [False, True, True, True]
    own.forget([parts[1].key, parts[0].key])
    own.keep(parts[0], data)
    assert [own.find(each) is not None for each in parts] == [True, False, True, True]


def test_only_the_expected_bytes_are_found() -> None:
    own, data = OwnParts(MIB), b"bytes"
    kept = part(data)
    own.keep(kept, data)
    found = own.find(kept)
    assert found is not None
    assert (found.key, found.data) == (kept.key, data)
    for other in (
        StoredObject(kept.key, kept.size_bytes, "11"),
        StoredObject(kept.key, 4, kept.sha256),
        part(data),
    ):
        assert own.find(other) is None


@pytest.mark.parametrize("size", [LEAST_PIECE_BYTES, 2 * LEAST_PIECE_BYTES])
def test_what_the_store_can_copy_is_read_from_it(size: int) -> None:
    own, large = OwnParts(LEAST_PIECE_BYTES + 1), b"\0" * size
    kept = part(large)
    own.keep(kept, large)
    assert own.find(kept) is None


def test_the_cache_is_divided_and_not_enlarged() -> None:
    assert divide_cache(0) == (0, 0)
    inputs, parts = divide_cache(64 * MIB)
    assert (inputs + parts, parts) == (64 * MIB, 8 * MIB)
