"""A cache of expensive values within a limit of memory."""

import random
from threading import Lock
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class BoundedCache(Generic[_Key, _Value]):
    """Up to `most_bytes` of values by key. A new value evicts random ones. Thread-safe.

    Reports ask for batches in turn. If the least recently used batch were evicted, a fleet slightly larger than the
    cache would never find a batch in it.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: dict[_Key, tuple[_Value, int]] = {}
        self._lock = Lock()

    def get(self, key: _Key) -> _Value | None:
        """Return the value if it is still there."""
        value, _ = self._entries.get(key, (None, 0))
        return value

    def put(self, key: _Key, value: _Value, size_bytes: int) -> None:
        """Store a value, replacing the one with this key. A value larger than the whole cache is not stored."""
        if size_bytes > self._most_bytes:
            return
        with self._lock:
            _, before = self._entries.pop(key, (None, 0))
            self._entries[key] = value, size_bytes
            self._bytes += size_bytes - before
            while self._bytes > self._most_bytes:
                evicted = random.choice(list(self._entries))  # noqa: S311 - nobody gains by guessing it
                self._bytes -= self._entries.pop(evicted)[1]
