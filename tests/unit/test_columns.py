"""Columns of many values, next to lists of the same values."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.columns import RaggedColumn, RepeatedValues
from tests.fixtures.columns import list_values

_VALUES = st.lists(st.none() | st.binary(max_size=5), min_size=1, max_size=12) | st.lists(
    st.binary(min_size=2, max_size=2), min_size=1, max_size=12
)


@given(values=_VALUES, data=st.data())
def test_ragged_columns_are_picked_cut_and_filtered_like_lists(
    values: list[bytes | None], data: st.DataObject
) -> None:
    column = RaggedColumn.join(values)
    assert (len(column), list_values(column)) == (len(values), values)
    places = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=20))
    picked = column.pick(np.array(places, np.int64))
    assert list_values(picked) == [values[place] for place in places]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(values))] * 2)))
    assert list_values(column.cut(start, end)) == values[start:end]
    kept = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    filtered = [value for value, is_kept in zip(values, kept, strict=True) if is_kept]
    assert list_values(column.filter(np.array(kept, np.bool_))) == filtered


def test_repeated_values_are_filtered_by_row() -> None:
    column = RepeatedValues(["a", None], np.array([0, 1, 0]))
    assert (len(column), list_values(column)) == (3, ["a", None, "a"])
    assert list_values(column.filter(np.array([False, True, True]))) == [None, "a"]
