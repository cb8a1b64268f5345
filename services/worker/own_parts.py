"""The newest parts that this worker uploaded, so that a merge does not read them back. Must not know the database."""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from shared.storage import Expected, FetchedObject, StoredObject
from shared.storage.multipart import LEAST_PIECE_BYTES


class OwnParts:
    """Up to `most_bytes` of parts; the oldest give way. Thread-safe.

    A part's key belongs to one attempt, and its SHA-256 was computed from these very bytes. Parts that the store can copy
    are not kept: it copies only what was read from it.
    """

    def __init__(self, most_bytes: int = 0) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._parts: OrderedDict[str, tuple[StoredObject, bytes]] = OrderedDict()
        self._lock = Lock()

    def keep(self, part: StoredObject, data: bytes) -> None:
        """Remember a part that was uploaded."""
        if len(data) > self._most_bytes or len(data) >= LEAST_PIECE_BYTES:
            return
        with self._lock:
            self._drop(part.key)
            self._parts[part.key] = part, data
            self._bytes += len(data)
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._parts)))

    def find(self, expected: Expected) -> FetchedObject | None:
        """Return a part if it is remembered, with exactly the bytes that are expected. It has no tag."""
        with self._lock:
            part, data = self._parts.get(expected.key, (None, b""))
        if part is None or (part.size_bytes, part.sha256) != (expected.size_bytes, expected.sha256):
            return None
        return FetchedObject(part.key, data, tag="")

    def forget(self, keys: Iterable[str]) -> None:
        """Forget parts that have been merged."""
        with self._lock:
            for key in keys:
                self._drop(key)

    def _drop(self, key: str) -> None:
        _, data = self._parts.pop(key, (None, b""))
        self._bytes -= len(data)
