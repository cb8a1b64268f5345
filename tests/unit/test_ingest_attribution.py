"""Counts of calls that share a transaction, compared with a loop over the polls in the order of arrival."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parse.last_polls import deduplicate
from services.ingest.write.attribution import count_by_call, count_repeats
from services.ingest.write.poll_table import make_mask

Poll = tuple[int, int, bool]
POLL = st.tuples(st.integers(1, 3), st.integers(0, 3), st.booleans())
TABLE = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 3)), st.booleans())


def count_by_loop(table: dict[tuple[int, int], bool], calls: list[list[Poll]]) -> list[tuple[int, int, int]]:
    table, found = dict(table), []
    for call in calls:
        counts = [0, 0, 0]
        for store, at, active in call:
            before = table.get((store, at))
            counts[0 if before is None else 1 if before is active else 2] += 1
            table[store, at] = active
        found.append((counts[0], counts[1], counts[2]))
    return found


@given(TABLE, st.lists(st.lists(POLL, min_size=1, max_size=8), min_size=1, max_size=5))
def test_each_call_gets_the_counts_of_its_polls(
    table: dict[tuple[int, int], bool], calls: list[list[Poll]]
) -> None:
    polls = [poll for call in calls for poll in call]
    deduped = deduplicate(
        np.array([store for store, _, _ in polls], np.int32),
        np.array([at for _, at, _ in polls], np.int64),
        np.array([active for _, _, active in polls], np.bool_),
    )
    distinct = deduped.polls
    stored = [table.get(key) for key in zip(distinct.store.tolist(), distinct.at_us.tolist(), strict=True)]
    new = [index for index, was in enumerate(stored) if was is None]
    contradicting = [
        index
        for index, (was, first) in enumerate(zip(stored, distinct.first_active.tolist(), strict=True))
        if was is (not first)
    ]
    is_new, is_contradicting = (
        make_mask(np.array(indexes, np.int32), len(distinct)) for indexes in (new, contradicting)
    )
    call = np.repeat(np.arange(len(calls)), [len(call) for call in calls])
    found = count_by_call(call, deduped, is_new, is_contradicting)
    assert [(c.accepted, c.duplicate, c.corrected) for c in found] == count_by_loop(table, calls)
    # A file is one call: the counts of its distinct polls and of its repeats add up to the same.
    repeats = count_repeats(deduped)
    assert repeats.duplicate + len(distinct) - len(new) - len(contradicting) == sum(
        c.duplicate for c in found
    )
    assert repeats.corrected + len(contradicting) == sum(c.corrected for c in found)
