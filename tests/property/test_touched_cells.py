"""Which cells changes can have touched, against a comparison of each change with each cell."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.facts.changes import TouchedDays, touched_pairs

EVER = 1 << 40
DAYS = st.one_of(st.integers(-12, 12), st.sampled_from((-EVER, EVER)))
CHANGES = st.lists(st.builds(TouchedDays, st.integers(0, 5), DAYS, DAYS, st.integers(-9, 9)), max_size=12)
CELLS = st.lists(st.tuples(st.integers(1, 5), st.integers(-10, 10)), unique=True, max_size=40)


@given(changes=CHANGES, cells=CELLS)
def test_each_change_touches_the_cells_of_its_stores_and_days(
    changes: list[TouchedDays], cells: list[tuple[int, int]]
) -> None:
    expected = {
        (number, place)
        for number, change in enumerate(changes)
        for place, (store_key, day) in enumerate(cells)
        if change.store_key in {0, store_key} and change.first <= day <= change.last
    }
    keys, days = np.array(cells, dtype=np.int64).reshape(-1, 2).T
    change, cell = touched_pairs(changes, keys, days)
    found = list(zip(change.tolist(), cell.tolist(), strict=True))
    assert set(found) == expected
    assert len(found) == len(expected)
