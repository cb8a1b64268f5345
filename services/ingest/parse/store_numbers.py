"""Numbers the stores of one import, from 0 on."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.id_table import LONGEST_BYTES, IdTable

_PAD = bytes(LONGEST_BYTES)


class StoreNumbers:
    """All store ids of one import so far. The writer's thread may read those it was given the count of."""

    def __init__(self) -> None:
        self._ids = pl.Series(dtype=pl.String)
        self._table = IdTable()
        # Ids that are too long for the table.
        self._long: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def get_ids(self, first: int, end: int) -> list[str]:
        """Return the ids of the stores numbered `first` to `end - 1`."""
        return self._ids[first:end].to_list()

    def name_stores(self, numbers: NDArray[np.int32]) -> pl.Series:
        """Return the ids of stores by number."""
        return self._ids.gather(numbers)

    def find_fields(
        self, text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Return the number of each id `text[starts:ends]`; -1 if it is new, long, or not written as it is stored.

        At least 64 bytes follow each start.
        """
        return self._table.find(text, starts, ends)

    def number_ids(self, ids: pl.Series, *, as_sorted: bool = False) -> NDArray[np.int32]:
        """Return the number of each clean id. Number the new ones in the order given, or `as_sorted` by their bytes.

        New stores get keys in the order of their ids. So polls sorted by number are sorted by key too, and the index of
        their week takes a seventh less time.
        """
        distinct = (ids.unique().sort() if as_sorted else ids.unique(maintain_order=True)).alias("store_id")
        numbers = pl.Series("store", self._number_distinct(distinct))
        found = (
            ids.alias("store_id")
            .to_frame()
            .join(pl.DataFrame([distinct, numbers]), on="store_id", how="left", maintain_order="left")
        )
        return found["store"].to_numpy()

    def _number_distinct(self, ids: pl.Series) -> NDArray[np.int32]:
        sizes = ids.str.len_bytes().to_numpy().astype(np.int64)
        text, ends = "".join(ids).encode() + _PAD, np.cumsum(sizes)
        starts = ends - sizes
        numbers = self._table.find(text, starts, ends)
        is_long = sizes > LONGEST_BYTES
        for place in np.flatnonzero(is_long).tolist():
            numbers[place] = self._long.get(ids[place], -1)
        is_new = numbers < 0
        numbers[is_new] = np.arange(len(self._ids), len(self._ids) + np.count_nonzero(is_new))
        # A series that was filtered keeps the texts of all rows of the chunk in memory.
        added = pl.Series(ids.filter(is_new).to_list(), dtype=pl.String)
        self._ids = pl.concat([self._ids, added], rechunk=False)
        self._long.update(
            (ids[place], int(numbers[place])) for place in np.flatnonzero(is_new & is_long).tolist()
        )
        is_added = is_new & ~is_long
        self._table.add(text, starts[is_added], ends[is_added], numbers[is_added])
        return numbers
