"""How all stores are divided into batches. Equal for all reports with the same stores, so it is computed once.

With a million stores it takes seconds, and each poll is a new `accepted_seq`. But only a store's first poll adds a store.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from shared.db.queries import queries

_SQL = queries("reports")


@dataclass(frozen=True)
class StoreRanges:
    """First and last store id and number of stores of each batch, in the order of the file."""

    first_ids: list[str | None]
    last_ids: list[str | None]
    stores: list[int]


class BatchRanges:
    """Caches the ranges of the stores asked for last. Use one per database: the ledger numbers are the database's own."""

    def __init__(self) -> None:
        self._newest_seq: int | None = None
        self._by_size: dict[int, StoreRanges] = {}

    async def ranges_at(self, conn: AsyncConnection, parameters: dict[str, Any]) -> StoreRanges:
        """Return the ranges at `accepted_seq` with up to `batch_stores` stores each. Without stores: one empty range.

        The caller's transaction must see that ledger number.
        """
        batch_stores = parameters["batch_stores"]
        newest_seq = await _find_newest(conn, parameters)
        if newest_seq != self._newest_seq:
            self._newest_seq, self._by_size = newest_seq, {}
        if batch_stores not in self._by_size:
            cursor = await conn.execute(_SQL["batch_ranges"], parameters)
            rows = await cursor.fetchall() or [(None, None, 0)]
            ranges = StoreRanges(*(list(column) for column in zip(*rows, strict=True)))
            # Another call has seen a newer store meanwhile.
            if newest_seq != self._newest_seq:
                return ranges
            self._by_size[batch_stores] = ranges
        return self._by_size[batch_stores]


async def _find_newest(conn: AsyncConnection, parameters: dict[str, Any]) -> int | None:
    """Return the ledger number up to `accepted_seq` that last brought a store; None without stores."""
    ((newest_seq,),) = await (await conn.execute(_SQL["newest_store"], parameters)).fetchall()
    return newest_seq if newest_seq is None else int(newest_seq)
