"""Facts that are packed and unpacked are the same, and those that were taken away are negative."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.facts.packed_facts import WIDTH, pack_facts, unpack_facts
from tests.oracle.accounting import HOUR_US

TIMES = st.integers(0, 25 * HOUR_US)
ROWS = st.tuples(
    st.integers(1, 2**31 - 1), st.sampled_from([1, -1]), TIMES, TIMES, TIMES, TIMES, st.integers(0, 2**31 - 1)
)


@given(st.lists(ROWS, max_size=20))
def test_the_same_facts_come_back(rows: list[tuple[int, ...]]) -> None:
    packed = pack_facts(np.array(rows, dtype=np.int64).reshape(-1, WIDTH))
    assert unpack_facts(packed).T.tolist() == [
        [key, facts, *(facts * number for number in numbers)] for key, facts, *numbers in rows
    ]
