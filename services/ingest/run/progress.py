"""How a load reports its progress."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class LoadProgress:
    """How much of one file is loaded. `bytes_total` is None if the size is unknown."""

    source: str
    bytes_done: int
    bytes_total: int | None
    rows_read: int


OnProgress = Callable[[LoadProgress], None]
