"""Limit the open calls of one key in this process. Each stream, long poll and upload counts as one."""

from collections import Counter

from shared.errors import RateLimited

_AGAIN_S = 1.0


class OpenCalls:
    """The open calls of one process, counted by key."""

    def __init__(self, most_per_key: int) -> None:
        self._most = most_per_key
        self._open: Counter[str] = Counter()

    def enter(self, prefix: str) -> None:
        """Count a call. Raises `RateLimited` if the key has reached its limit."""
        if self._open[prefix] >= self._most:
            raise RateLimited(
                f"this key already has {self._most} open calls, its limit: end a stream, a long poll or an upload first",
                retry_after_s=_AGAIN_S,
            )
        self._open[prefix] += 1

    def leave(self, prefix: str) -> None:
        """Stop counting a call that has been answered or abandoned."""
        self._open[prefix] -= 1
        if self._open[prefix] <= 0:
            del self._open[prefix]
