"""Values that were expensive to make, kept for the next time as far as memory goes. Knows nothing of what they are."""

import random
from threading import Lock
from typing import Generic, TypeVar

_Name = TypeVar("_Name")
_Value = TypeVar("_Value")


class Remembered(Generic[_Name, _Value]):
    """At most `most_bytes` of values by name; any of them may go for a new one. Thread-safe.

    Reports ask for batches in turn: were the one that was not asked for the longest to go first, a fleet a little larger
    than the memory would find none of its batches again.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._known: dict[_Name, tuple[_Value, int]] = {}
        self._lock = Lock()

    def get(self, name: _Name) -> _Value | None:
        """The value, if it is still there."""
        value, _ = self._known.get(name, (None, 0))
        return value

    def keep(self, name: _Name, value: _Value, size_bytes: int) -> None:
        """Have the value instead of what had that name; one larger than everything is not kept."""
        if size_bytes > self._most_bytes:
            return
        with self._lock:
            _, before = self._known.pop(name, (None, 0))
            self._known[name] = value, size_bytes
            self._bytes += size_bytes - before
            while self._bytes > self._most_bytes:
                unlucky = random.choice(list(self._known))  # noqa: S311 - nobody gains by guessing it
                self._bytes -= self._known.pop(unlucky)[1]
