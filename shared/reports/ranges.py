"""How all stores are divided into batches. Equal for all reports with one `accepted_seq`, so it is computed once."""

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
    """Caches the ranges of the `accepted_seq` asked for last. Use one per database: the numbers are the database's own."""

    def __init__(self) -> None:
        self._accepted_seq = -1
        self._by_size: dict[int, StoreRanges] = {}

    async def ranges_at(self, conn: AsyncConnection, parameters: dict[str, Any]) -> StoreRanges:
        """Return the ranges at `accepted_seq` with up to `batch_stores` stores each. Without stores: one empty range.

        The caller's transaction must see that ledger number.
        """
        accepted_seq, batch_stores = parameters["accepted_seq"], parameters["batch_stores"]
        if accepted_seq != self._accepted_seq:
            self._accepted_seq, self._by_size = accepted_seq, {}
        if batch_stores not in self._by_size:
            cursor = await conn.execute(_SQL["batch_ranges"], parameters)
            rows = await cursor.fetchall() or [(None, None, 0)]
            ranges = StoreRanges(*(list(column) for column in zip(*rows, strict=True)))
            # Another call has moved on to a newer number meanwhile.
            if accepted_seq != self._accepted_seq:
                return ranges
            self._by_size[batch_stores] = ranges
        return self._by_size[batch_stores]
