"""Large parts are copied within the store, and only as the very bytes that were verified. Otherwise these bytes are sent."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace as with_
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.worker.context import WorkerContext
from services.worker.merge import Columns, damaged_parts, merge_parts
from services.worker.own_parts import OwnParts
from shared.errors import ObjectLost
from shared.reports.model import Part
from shared.settings import Settings
from shared.storage import Storage
from tests.fixtures.buckets import content_of
from tests.fixtures.damage import DAMAGES, damage
from tests.fixtures.hooked_storage import Hook, hooked_storage

MIB = 1 << 20
KEY = "reports/joined"
COLUMNS: Columns = {"report": 2}
_ID_LENGTH = 1000


def put_objects(storage: Storage, sizes: Sequence[int]) -> list[Part]:
    """Write an object of random bytes for each size."""
    drawn = random.Random(2)
    objects = []
    for number, size in enumerate(sizes):
        stored = storage.put(f"reports/source-{number}", drawn.randbytes(size), "binary/octet-stream")
        objects.append(Part(stored.key, stored.size_bytes, stored.sha256, number, 0))
    return objects


def join(storage: Storage, parts: Sequence[Part]) -> bytes:
    stored = storage.put_joined(KEY, [storage.fetch(part) for part in parts], "text/plain")
    storage.verify(stored)
    assert list(storage.open_uploads(KEY)) == []
    return content_of(storage, KEY)


class Requests:
    """Counts requests, and does something before each."""

    def __init__(self, before: Hook = lambda _: None) -> None:
        self.count, self._before = 0, before

    def __call__(self, params: dict[str, Any]) -> None:
        self.count += 1
        self._before(params)


@pytest.mark.parametrize(
    ("sizes", "copied", "sent"),
    [
        pytest.param([5 * MIB, 5 * MIB], 2, 0, id="each is a piece"),
        pytest.param([5 * MIB - 1, 5 * MIB], 0, 2, id="held bytes are too few for a piece"),
        pytest.param([3 * MIB, 3 * MIB, 6 * MIB, 10], 1, 2, id="held bytes are a piece"),
        pytest.param([6 * MIB, MIB, 7 * MIB, 5 * MIB, 3 * MIB + 5, 0, 100], 2, 2, id="mixed"),
        pytest.param([17 * MIB], 1, 0, id="only one"),
        pytest.param([0, 7, 0], 0, 0, id="small"),
        pytest.param([], 0, 0, id="none"),
    ],
)
def test_objects_are_joined_in_their_order(
    settings: Settings, sizes: Sequence[int], copied: int, sent: int
) -> None:
    """A copy that the store had refused would have been sent too."""
    copies, pieces = Requests(), Requests()
    storage = hooked_storage(settings, UploadPartCopy=copies, UploadPart=pieces)
    parts = put_objects(storage, sizes)
    assert join(storage, parts) == b"".join(content_of(storage, part.key) for part in parts)
    assert (copies.count, pieces.count) == (copied, sent)


@pytest.mark.parametrize("number", [0, 1])
def test_an_object_that_is_replaced_after_it_was_fetched_is_not_copied(
    settings: Settings, number: int
) -> None:
    """Even by one of the same length."""
    storage = hooked_storage(settings)
    parts = put_objects(storage, [6 * MIB, 5 * MIB])
    expected = b"".join(content_of(storage, part.key) for part in parts)
    replaced = []

    def replace(params: dict[str, Any]) -> None:
        if params["headers"]["x-amz-copy-source"].endswith(parts[number].key):
            storage.put(parts[number].key, b"x" * parts[number].size_bytes, "binary/octet-stream")
            replaced.append(number)

    assert join(hooked_storage(settings, UploadPartCopy=replace), parts) == expected
    assert replaced == [number]


def test_an_object_that_is_gone_after_it_was_fetched_is_sent(settings: Settings) -> None:
    storage = hooked_storage(settings)
    parts = put_objects(storage, [6 * MIB, 5 * MIB])
    expected = b"".join(content_of(storage, part.key) for part in parts)
    copies = Requests(lambda _: storage.delete(parts[0].key))
    assert join(hooked_storage(settings, UploadPartCopy=copies), parts) == expected
    assert copies.count == 2


def refuse(_: dict[str, Any]) -> None:
    raise ClientError({"Error": {"Code": "NotImplemented"}}, "UploadPartCopy")


def forget_source(params: dict[str, Any]) -> None:
    """Make the request what it is to a server that does not know its headers: an empty piece."""
    for name in [name for name in params["headers"] if name.lower().startswith("x-amz-copy-source")]:
        del params["headers"][name]


@pytest.mark.parametrize("lacking", [refuse, forget_source])
def test_a_store_that_cannot_copy_gets_the_bytes(settings: Settings, lacking: Hook) -> None:
    copies = Requests(lacking)
    storage = hooked_storage(settings, UploadPartCopy=copies)
    parts = put_objects(storage, [6 * MIB, 5 * MIB, 9 * MIB, 1])
    assert join(storage, parts) == b"".join(content_of(storage, part.key) for part in parts)
    assert copies.count == 3


class TestMerge:
    """The same with parts of a report, which are verified."""

    @pytest.fixture
    def parts(self, worker: WorkerContext) -> Sequence[Part]:
        """Three parts of 6 MiB and a small one: a report of stores with long ids."""
        found = []
        for number, rows in enumerate([6400, 6400, 6400, 3]):
            ids = (f"{number}-{row:06}".ljust(_ID_LENGTH, "x") for row in range(rows))
            header = "store_id,uptime\n" if number == 0 else ""
            data = header + "".join(f"{each},0.0000\n" for each in ids)
            key = f"reports/parts/{number}"
            stored = worker.storage.put(key, data.encode(), "binary/octet-stream")
            found.append(Part(key, stored.size_bytes, stored.sha256, number, rows))
        return found

    def test_the_file_is_its_parts(self, settings: Settings, parts: Sequence[Part]) -> None:
        copies, pieces = Requests(), Requests()
        storage = hooked_storage(settings, UploadPartCopy=copies, UploadPart=pieces)
        expected = b"".join(content_of(storage, part.key) for part in parts)
        stored = merge_parts(storage, KEY, parts, COLUMNS, lambda: None, OwnParts())
        storage.verify(stored)
        assert content_of(storage, KEY) == expected
        assert (copies.count, pieces.count) == (3, 1)

    @pytest.mark.parametrize("number", [0, 1, 2])
    @pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES)
    def test_a_damaged_part_leaves_no_file(
        self,
        worker: WorkerContext,
        parts: Sequence[Part],
        how: Callable[[bytes], bytes],
        number: int,
    ) -> None:
        damage(worker.storage, parts[number].key, how)
        with pytest.raises(ObjectLost):
            merge_parts(worker.storage, KEY, parts, COLUMNS, lambda: None, OwnParts())
        assert list(worker.storage.list(KEY)) == []
        assert list(worker.storage.open_uploads(KEY)) == []
        assert damaged_parts(worker.storage, parts, COLUMNS, lambda: None) == [parts[number].key]

    def test_exchanged_parts_leave_no_file(self, worker: WorkerContext, parts: Sequence[Part]) -> None:
        exchanged = [
            with_(parts[0], key=parts[1].key),
            with_(parts[1], key=parts[0].key),
            *parts[2:],
        ]
        with pytest.raises(ObjectLost):
            merge_parts(worker.storage, KEY, exchanged, COLUMNS, lambda: None, OwnParts())
        assert list(worker.storage.list(KEY)) == []
        assert list(worker.storage.open_uploads(KEY)) == []

    def test_a_merge_that_must_stop_leaves_no_file(
        self, worker: WorkerContext, parts: Sequence[Part]
    ) -> None:
        left = [2]

        def before_part() -> None:
            if not left[0]:
                raise InterruptedError("the lease is lost")
            left[0] -= 1

        with pytest.raises(InterruptedError, match="the lease is lost"):
            merge_parts(worker.storage, KEY, parts, COLUMNS, before_part, OwnParts())
        assert list(worker.storage.list(KEY)) == []
        assert list(worker.storage.open_uploads(KEY)) == []
