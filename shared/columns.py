"""Columns of many values in few objects. They know no database; `shared/db/ragged_rows.py` sends them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

NULL_SIZE: Final = -1


@dataclass(frozen=True)
class RaggedColumn:
    """The bytes of all values, one after the other, and the size of each; a null has the size -1."""

    data: NDArray[np.uint8]
    sizes: NDArray[np.int64]

    @classmethod
    def join(cls, values: Sequence[bytes | None]) -> Self:
        """Return these values as a column."""
        sizes = np.array([NULL_SIZE if value is None else len(value) for value in values], np.int64)
        return cls(np.frombuffer(b"".join(filter(None, values)), np.uint8), sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def widths(self) -> NDArray[np.int64]:
        """The bytes that each value takes."""
        return np.maximum(self.sizes, 0)

    def cut(self, start: int, end: int) -> Self:
        """Return the values from one place up to another."""
        widths = self.widths
        first = widths[:start].sum()
        return type(self)(self.data[first : first + widths[start:end].sum()], self.sizes[start:end])

    def filter(self, kept: NDArray[np.bool_]) -> Self:
        """Return the values under a mask."""
        return type(self)(self.data[np.repeat(kept, self.widths)], self.sizes[kept])

    def pick(self, places: NDArray[np.int64]) -> Self:
        """Return the values at these places, which may repeat."""
        widths = self.widths
        if widths.min() == widths.max():
            return type(self)(self.data.reshape(len(self), -1)[places].ravel(), self.sizes[places])
        starts, picked = np.cumsum(widths) - widths, widths[places]
        before = np.cumsum(picked) - picked
        places_of_bytes = np.repeat(starts[places] - before, picked) + np.arange(picked.sum())
        return type(self)(self.data[places_of_bytes], self.sizes[places])


@dataclass(frozen=True)
class RepeatedValues:
    """Few values that many rows share: row i has `values[places[i]]`."""

    values: Sequence[Any]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def filter(self, kept: NDArray[np.bool_]) -> Self:
        """Return the values under a mask."""
        return type(self)(self.values, self.places[kept])


# A column of rows: one value by one, as numbers without nulls, or in one of the forms above.
ValueColumn = Sequence[Any] | NDArray[np.int64] | RaggedColumn | RepeatedValues
