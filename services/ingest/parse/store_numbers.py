"""Numbers the stores of one import, from 0 on, in the order in which they appear."""

import numpy as np
import polars as pl
from numpy.typing import NDArray


class StoreNumbers:
    """All store ids of one import so far. The writer's thread may read those it was given the count of."""

    def __init__(self) -> None:
        self._known = pl.DataFrame(schema={"store_id": pl.String, "store": pl.Int32})

    def __len__(self) -> int:
        return len(self._known)

    def get_ids(self, first: int, end: int) -> list[str]:
        """Return the ids of the stores numbered `first` to `end - 1`."""
        return self._known["store_id"][first:end].to_list()

    def number_ids(self, ids: pl.Series) -> NDArray[np.int32]:
        """Return the number of each id; number the new ones."""
        numbers = self._look_up(ids)
        if numbers.null_count():
            fresh = ids.filter(numbers.is_null()).unique().alias("store_id").to_frame()
            first = len(self._known)
            fresh = fresh.with_columns(pl.int_range(first, first + len(fresh), dtype=pl.Int32).alias("store"))
            self._known = pl.concat([self._known, fresh], rechunk=True)
            numbers = self._look_up(ids)
        return numbers.to_numpy()

    def _look_up(self, ids: pl.Series) -> pl.Series:
        frame = ids.alias("store_id").to_frame()
        return frame.join(self._known, on="store_id", how="left", maintain_order="left")["store"]
