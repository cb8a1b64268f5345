"""How a load reports its progress."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class LoadProgress:
    """How much of one file is loaded. `bytes_total` is None if the size is unknown.

    Once all of a file of hours is read, its rows take effect: `rows_applied` of `rows_to_apply`, at last in one commit.
    """

    source: str
    bytes_done: int
    bytes_total: int | None
    rows_read: int
    rows_applied: int = 0
    rows_to_apply: int = 0


OnProgress = Callable[[LoadProgress], None]
