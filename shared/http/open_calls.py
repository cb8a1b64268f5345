"""How many calls of one key this process answers at the same time: streams, long polls and uploads hold a place each."""

from collections import Counter

from shared.errors import RateLimited

_AGAIN_S = 1.0


class OpenCalls:
    """The calls under way in one process, counted by key."""

    def __init__(self, most_per_key: int) -> None:
        self._most = most_per_key
        self._open: Counter[str] = Counter()

    def enter(self, prefix: str) -> None:
        """Count a call. Raises `RateLimited` if the key has as many open as it may."""
        if self._open[prefix] >= self._most:
            raise RateLimited(
                f"{self._most} calls of this key are open already; end a stream, a long poll or an upload first",
                retry_after_s=_AGAIN_S,
            )
        self._open[prefix] += 1

    def leave(self, prefix: str) -> None:
        """Count a call no longer: its answer has ended, or its caller has left."""
        self._open[prefix] -= 1
        if self._open[prefix] <= 0:
            del self._open[prefix]
