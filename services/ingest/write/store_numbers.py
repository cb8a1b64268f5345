"""Numbers the stores of one import from 0 on as they are met. Knows no database."""

import numpy as np
import polars as pl
from numpy.typing import NDArray


class StoreNumbers:
    """All ids one import has met. Another thread may read those it was told of."""

    def __init__(self) -> None:
        self._known = pl.DataFrame(schema={"store_id": pl.String, "store": pl.Int32})

    def __len__(self) -> int:
        return len(self._known)

    def ids(self, first: int, end: int) -> list[str]:
        """The ids with these numbers."""
        return self._known["store_id"][first:end].to_list()

    def of(self, ids: pl.Series) -> NDArray[np.int32]:
        """The number of the store of each poll."""
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
