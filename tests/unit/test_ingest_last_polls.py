"""Deduplication compared with a loop; the filter has no false negatives; the prefetching thread ends."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parse import seen_polls
from services.ingest.parse.last_polls import deduplicate
from services.ingest.parse.prefetch import prefetch
from services.ingest.parse.seen_polls import SeenPolls

_FAR = st.sampled_from([1, 2**31 - 1])  # stores and instants that do not fit one integer together
_POLLS = st.lists(
    st.tuples(st.integers(1, 3) | _FAR, st.integers(0, 3) | _FAR.map(lambda far: far << 20), st.booleans()),
    max_size=40,
)


@given(_POLLS)
def test_deduplication_equals_a_loop_over_the_rows(polls: list[tuple[int, int, bool]]) -> None:
    first: dict[tuple[int, int], bool] = {}
    last: dict[tuple[int, int], bool] = {}
    duplicate = corrected = 0
    for key, at, active in polls:
        if (key, at) in last:
            duplicate += last[key, at] == active
            corrected += last[key, at] != active
        first.setdefault((key, at), active)
        last[key, at] = active
    deduped = deduplicate(
        np.array([key for key, _, _ in polls], np.int32),
        np.array([at for _, at, _ in polls], np.int64),
        np.array([active for _, _, active in polls], np.bool_),
    )
    found = deduped.polls
    keys = list(zip(found.store.tolist(), found.at_us.tolist(), strict=True))
    assert keys == sorted(last)
    assert dict(zip(keys, found.first_active.tolist(), strict=True)) == first
    assert dict(zip(keys, found.active.tolist(), strict=True)) == last
    assert (deduped.is_repeat.sum(), deduped.is_correction.sum()) == (duplicate + corrected, corrected)


def test_the_filter_has_no_false_negatives_and_few_false_positives() -> None:
    seen = SeenPolls()
    stores = np.repeat(np.arange(100, dtype=np.int32), 2000)
    instants = np.tile(np.arange(2000, dtype=np.int64) * 3_600_000_000, 100)
    assert seen.add_polls(stores, instants).mean() < 0.001
    assert seen.add_polls(stores, instants).all()
    assert seen.add_polls(stores, instants + 1).mean() < 0.001


def test_a_full_filter_raises_few_false_alarms() -> None:
    seen, at_once = SeenPolls(), 1_000_000
    stores = np.arange(at_once, dtype=np.int32)

    def add_polls(at_us: int) -> float:
        return float(seen.add_polls(stores, np.full(at_once, at_us)).mean())

    alarms = [add_polls(at_us) for at_us in range(seen_polls.FILTER_POLLS // at_once)]
    assert not seen.make_room(0)
    assert 0.003 < add_polls(at_once) < 0.006
    assert np.mean(alarms) < 0.002


def test_filters_remember_all_polls_until_they_start_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_polls, "FILTER_POLLS", 130)
    monkeypatch.setattr(seen_polls, "MOST_FILTERS", 2)
    seen = SeenPolls()

    def add_polls(first: int) -> tuple[bool, bool]:
        forgets = seen.make_room(60)
        instants = np.arange(first, first + 60, dtype=np.int64)
        return forgets, bool(seen.add_polls(np.zeros(60, np.int32), instants).all())

    assert [add_polls(first) for first in (0, 100, 200)] == [(False, False)] * 3
    # The third call opened a second filter. Both are asked.
    assert add_polls(0) == (False, True)
    assert add_polls(300) == (False, False)
    assert add_polls(400) == (True, False)
    assert add_polls(0) == (False, False)


def test_prefetched_items_come_in_order_and_their_error_last() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("gone")

    found: list[int] = []
    with pytest.raises(OSError, match="gone"), prefetch(items()) as made:
        found.extend(made)
    assert found == [0, 1, 2, 3, 4]
    with prefetch(iter(range(5))) as made:
        assert list(made) == [0, 1, 2, 3, 4]


def test_a_consumer_that_leaves_ends_the_thread() -> None:
    with prefetch(iter(range(1_000_000))) as made:
        assert next(made) == 0
    assert "ingest-parser" not in {thread.name for thread in threading.enumerate()}
