"""A part of a batch's input gives the numbers that these stores have in the whole batch."""

from hypothesis import given
from hypothesis import strategies as st

from shared.inputs.batch_input import BatchInput
from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.policy import POLICIES
from tests.oracle.adjusted import inputs_of, plain
from tests.oracle.engine import engine_window, numbers, polls_of
from tests.property.terms import WINDOWS, Batch, batches, some


def measure(given: BatchInput, as_of_us: int) -> list[dict[str, dict[str, int]]]:
    measures = measure_batch(
        StoreHistory(given.zones, given.hours, given.polls),
        as_of_us,
        [engine_window(name, window) for name, window in WINDOWS.items()],
        POLICIES["classic"],
        detail=True,
        adjustments=given.adjustments,
    )
    return [
        {name: numbers(measures, store, window) for window, name in enumerate(WINDOWS)}
        for store in range(len(given.store_ids))
    ]


@some
@given(batch=batches(), chosen=st.sets(st.integers(0, 2), min_size=1))
def test_stores_keep_their_numbers(batch: Batch, chosen: set[int]) -> None:
    stores, as_of_us = batch
    places = sorted(place for place in chosen if place < len(stores))
    hours, adjustments = inputs_of(stores)
    ids = [str(place) for place in range(len(stores))]
    whole = BatchInput(ids, [store.zone for store in stores], hours, polls_of(plain(stores)), adjustments)
    part = whole.keep(places)
    assert part.store_ids == [ids[place] for place in places]
    measured = measure(whole, as_of_us)
    assert measure(part, as_of_us) == [measured[place] for place in places]
