"""How all stores are cut into batches: the same for each report of one data cut, so counted once a cut, not once a report."""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from shared.db.queries import queries

_SQL = queries("reports")


@dataclass(frozen=True)
class Ranges:
    """First and last store id of each batch, in the order of the file, and how many stores it holds."""

    first_ids: list[str | None]
    last_ids: list[str | None]
    stores: list[int]


class BatchRanges:
    """Remembers the ranges of the data cut asked for last. For one database only: a data cut is a number of its own."""

    def __init__(self) -> None:
        self._data_cut = -1
        self._known: dict[int, Ranges] = {}

    async def at(self, conn: AsyncConnection, parameters: dict[str, Any]) -> Ranges:
        """The ranges at `data_cut` with up to `batch_stores` stores each; one empty range where there are no stores.

        The caller's transaction sees that data cut.
        """
        data_cut, batch_stores = parameters["data_cut"], parameters["batch_stores"]
        if data_cut != self._data_cut:
            self._data_cut, self._known = data_cut, {}
        if batch_stores not in self._known:
            cursor = await conn.execute(_SQL["batch_ranges"], parameters)
            rows = await cursor.fetchall() or [(None, None, 0)]
            ranges = Ranges(*(list(column) for column in zip(*rows, strict=True)))
            if data_cut != self._data_cut:  # another call has gone on to a newer one meanwhile
                return ranges
            self._known[batch_stores] = ranges
        return self._known[batch_stores]
