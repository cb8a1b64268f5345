"""The table of store ids finds what a dict finds, for ids of any size, and however they are spread over chunks."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.ingest.parse.id_table import LONGEST_BYTES, IdTable
from services.ingest.parse.store_numbers import StoreNumbers

_IDS = st.lists(
    # Alike but for their size, or their last character, or beyond the longest that the table holds.
    st.integers(1, LONGEST_BYTES + 9).flatmap(
        lambda size: st.sampled_from(["a" * size, "a" * (size - 1) + "b"])
    )
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
    max_size=30,
)


class _Joined:
    """Ids one after the other in one text, with what must follow them."""

    def __init__(self, ids: list[str]) -> None:
        fields = [store_id.encode() for store_id in ids]
        self.text = b"".join(fields) + bytes(LONGEST_BYTES)
        self.ends = np.cumsum([len(field) for field in fields], dtype=np.int64)
        self.starts = self.ends - np.array([len(field) for field in fields], np.int64)

    def find(self, table: IdTable) -> list[int]:
        return list(map(int, table.find(self.text, self.starts, self.ends)))

    def add(self, table: IdTable, numbers: NDArray[np.int32]) -> None:
        table.add(self.text, self.starts, self.ends, numbers)


@given(chunks=st.lists(_IDS, max_size=6))
def test_the_table_finds_what_a_dict_finds(chunks: list[list[str]]) -> None:
    table, numbers = IdTable(), dict[str, int]()
    for ids in chunks:
        assert _Joined(ids).find(table) == [numbers.get(store_id, -1) for store_id in ids]
        new = [store_id for store_id in dict.fromkeys(ids) if store_id not in numbers]
        new = [store_id for store_id in new if len(store_id.encode()) <= LONGEST_BYTES]
        first = 7 * len(numbers)
        numbers.update(zip(new, range(first, first + len(new)), strict=True))
        if new:
            _Joined(new).add(table, np.arange(first, first + len(new), dtype=np.int32))
        assert _Joined(ids).find(table) == [numbers.get(store_id, -1) for store_id in ids]


def test_a_table_that_grows_finds_all_ids() -> None:
    """Many more than it begins with, so that places are shared and made again."""
    table, ids = IdTable(), [f"store {number}" for number in range(50_000)]
    for first in range(0, len(ids), 9_973):
        added = ids[first : first + 9_973]
        _Joined(added).add(table, np.arange(first, first + len(added), dtype=np.int32))
    assert _Joined(ids).find(table) == list(range(len(ids)))
    assert set(_Joined([f"shop {number}" for number in range(50_000)]).find(table)) == {-1}


@given(chunks=st.lists(_IDS, max_size=6))
def test_stores_are_numbered_in_the_order_in_which_they_appear(chunks: list[list[str]]) -> None:
    stores, numbers = StoreNumbers(), dict[str, int]()
    for ids in chunks:
        for store_id in ids:
            numbers.setdefault(store_id, len(numbers))
        found = stores.number_ids(pl.Series(ids, dtype=pl.String))
        assert found.tolist() == [numbers[store_id] for store_id in ids]
        assert stores.name_stores(found).to_list() == ids
        assert stores.get_ids(0, len(stores)) == list(numbers)
