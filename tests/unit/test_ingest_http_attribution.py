"""Counts of calls that share a transaction, against the obvious loop over polls in the order of delivery."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.http.attribution import Delivered
from services.ingest.http.live_polls import LivePolls

Poll = tuple[int, int, bool]
POLL = st.tuples(st.integers(1, 3), st.integers(0, 3), st.booleans())
TABLE = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 3)), st.booleans())


def by_loop(
    table: dict[tuple[int, int], bool], calls: list[list[Poll]]
) -> tuple[list[tuple[int, int, int]], dict[tuple[int, int], bool]]:
    table, found = dict(table), []
    for call in calls:
        counts = [0, 0, 0]
        for store, at, active in call:
            before = table.get((store, at))
            counts[0 if before is None else 1 if before is active else 2] += 1
            table[store, at] = active
        found.append((counts[0], counts[1], counts[2]))
    return found, table


@given(TABLE, st.lists(st.lists(POLL, min_size=1, max_size=8), min_size=1, max_size=5))
def test_each_call_gets_what_its_polls_did(
    table: dict[tuple[int, int], bool], calls: list[list[Poll]]
) -> None:
    live = [
        LivePolls(
            ["" for _ in call],
            np.array([at for _, at, _ in call], np.int64),
            np.array([active for _, _, active in call], np.bool_),
        )
        for call in calls
    ]
    delivered = Delivered.of(live, np.array([store for call in calls for store, _, _ in call], np.int32))
    keys = list(
        zip(
            delivered.store_key[delivered.first].tolist(),
            delivered.at_us[delivered.first].tolist(),
            strict=True,
        )
    )
    places = np.array([place for place, key in enumerate(keys) if key in table], np.int64)
    was_active = np.array([table[key] for key in keys if key in table], np.bool_)

    counts, after = by_loop(table, calls)
    assert [(c.accepted, c.duplicate, c.corrected) for c in delivered.counts(places, was_active)] == counts
    assert {
        key: bool(active) for key, active in zip(keys, delivered.active[delivered.last], strict=True)
    } == {key: after[key] for key in keys}
    changed = delivered.changed(places, was_active)
    assert [key for key, did in zip(keys, changed, strict=True) if did] == [
        key for key in keys if table.get(key) is not after[key]
    ]
