"""What holds for the engine's numbers whatever the data: sums, bounds, and all that must not matter."""

import random
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.uptime.adjustments import Adjustments
from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.calendar import Hours, spans_of
from shared.uptime.closures import Schedule
from shared.uptime.kernel import Measures, measure
from shared.uptime.policy import POLICIES, NoData, every_poll_us, history_us
from shared.uptime.states import Polls
from shared.uptime.window import DEFAULT_WINDOWS, Window, longest_reach_us
from tests.oracle.accounting import DAY_US, HOUR_US, MINUTE_US, Poll
from tests.oracle.engine import Store, hours_of, measured, notes_of, numbers, polls_of
from tests.property.stores import FIXED_ZONES, WINDOWS, batches, durations_us

Batch = tuple[list[Store], int]
policies = st.sampled_from(sorted(POLICIES))
some = settings(max_examples=60, deadline=None)


@some
@given(batch=batches(), policy=policies)
def test_open_is_up_and_down_and_unknown(batch: Batch, policy: str) -> None:
    for store in measured(*batch, policy, WINDOWS):
        for name, window in store.items():
            assert window["open_us"] == window["up_us"] + window["down_us"] + window["unknown_us"]
            assert window["open_us"] <= WINDOWS[name]
            assert min(window.values()) >= 0


@pytest.mark.parametrize("policy", ["classic", "strict", "hold"])
@some
@given(batch=batches(longest_gap_us=5 * DAY_US))
def test_uptime_lies_between_its_bounds(policy: str, batch: Batch) -> None:
    for store in measured(*batch, policy, WINDOWS):
        for window in store.values():
            assert window["up_min_us"] <= window["up_us"] <= window["up_max_us"]


@pytest.mark.parametrize("policy", ["hold", "slots-15m"])
@some
@given(silence_us=durations_us(6 * DAY_US), longer_us=durations_us(3 * DAY_US), active=st.booleans())
def test_a_longer_silence_decides_no_more_time(
    policy: str, silence_us: int, longer_us: int, *, active: bool
) -> None:
    """With `previous` fill a poll that ends a silence must not speak backwards over it."""
    as_of_us = 400 * DAY_US

    def known_us(silence_us: int) -> int:
        polls = [Poll(as_of_us - HOUR_US - silence_us, True), Poll(as_of_us - HOUR_US, active)]
        [store] = measured([Store("UTC", [], polls)], as_of_us, policy, {"all": 30 * DAY_US})
        return store["all"]["up_us"] + store["all"]["down_us"]

    slot_us = POLICIES[policy].slot_us
    assert known_us(DAY_US + silence_us + longer_us) <= known_us(DAY_US + silence_us) + slot_us


@some
@given(
    batch=batches(),
    policy=st.sampled_from(sorted(name for name, p in POLICIES.items() if p.no_data is not NoData.SCALE)),
    cuts=st.lists(durations_us(8 * DAY_US), min_size=6, max_size=9),
)
def test_a_window_is_the_sum_of_its_parts(batch: Batch, policy: str, cuts: list[int]) -> None:
    stores_, as_of_us = batch
    rules = POLICIES[policy]
    # Every store gets a window of its own and two others that part it, some of them ending at as_of.
    edges_us = as_of_us - np.sort([(cuts * 2)[k : k + 3] for k in range(len(stores_))])[:, ::-1]
    start_us, cut_us, end_us = edges_us.T
    windows_us = np.stack([start_us, start_us, cut_us], axis=1), np.stack([end_us, cut_us, end_us], axis=1)
    spans = spans_of(
        [store.zone for store in stores_],
        hours_of(stores_),
        int(start_us.min()) - history_us(rules),
        as_of_us,
    )
    schedule = replace(Schedule.of(spans), notes=notes_of([store.polls for store in stores_]))
    measures = measure(schedule, polls_of(stores_), as_of_us, windows_us, rules)
    for store in range(len(stores_)):
        whole, earlier, later = (numbers(measures, store, window) for window in range(3))
        if cut_us[store] == end_us[store] == as_of_us:  # as_of itself belongs to both parts that end there
            del whole["polls"]
        assert all(earlier[name] + later[name] == whole[name] for name in whole)


@some
@given(batch=batches(), policy=policies, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(batch: Batch, policy: str, seed: int) -> None:
    stores_, as_of_us = batch
    hours, polls = hours_of(stores_), polls_of(stores_)
    events = Adjustments(notes=notes_of([store.polls for store in stores_]))
    shuffled = np.random.default_rng(seed).permutation
    hours_order, polls_order = shuffled(len(hours.store)), shuffled(len(polls.store))
    zones = [store.zone for store in stores_]
    other = measure_batch(
        StoreHistory(
            zones,
            Hours(*(getattr(hours, field.name)[hours_order] for field in fields(Hours))),
            Polls(polls.store[polls_order], polls.at_us[polls_order], polls.active[polls_order]),
        ),
        as_of_us,
        DEFAULT_WINDOWS,
        POLICIES[policy],
        adjustments=Adjustments(
            notes=events.notes.pick(np.random.default_rng(seed).permutation(len(events.notes)))
        ),
    )
    same = measure_batch(
        StoreHistory(zones, hours, polls), as_of_us, DEFAULT_WINDOWS, POLICIES[policy], adjustments=events
    )
    for name in Measures.__slots__:
        np.testing.assert_array_equal(getattr(other, name), getattr(same, name))


@some
@given(batch=batches(), policy=policies, seed=st.integers(0, 2**32 - 1))
def test_the_batch_does_not_matter(batch: Batch, policy: str, seed: int) -> None:
    stores_, as_of_us = batch
    together = measured(stores_, as_of_us, policy, WINDOWS)
    order = random.Random(seed).sample(range(len(stores_)), len(stores_))
    assert measured([stores_[k] for k in order], as_of_us, policy, WINDOWS) == [together[k] for k in order]
    assert [measured([store], as_of_us, policy, WINDOWS)[0] for store in stores_] == together


@some
@given(batch=batches(), policy=policies, window=st.sampled_from(sorted(WINDOWS)))
def test_neither_older_polls_nor_other_windows_matter(batch: Batch, policy: str, window: str) -> None:
    stores_, as_of_us = batch
    needed_us = as_of_us - WINDOWS[window] - history_us(POLICIES[policy])
    fetched = [
        store._replace(polls=[poll for poll in store.polls if poll.at_us >= needed_us]) for store in stores_
    ]
    assert [store[window] for store in measured(stores_, as_of_us, policy, WINDOWS)] == [
        store[window] for store in measured(fetched, as_of_us, policy, {window: WINDOWS[window]})
    ]


@some
@given(batch=batches(longest_gap_us=10 * DAY_US), policy=policies)
def test_without_bounds_fewer_polls_are_enough_and_the_rest_is_the_same(batch: Batch, policy: str) -> None:
    stores_, as_of_us = batch
    longest_us = max(window.reach_us for window in DEFAULT_WINDOWS)
    needed_us = as_of_us - longest_us - history_us(POLICIES[policy])
    fetched = [
        store._replace(polls=[poll for poll in store.polls if poll.at_us >= needed_us]) for store in stores_
    ]
    zones = [store.zone for store in stores_]
    whole = measure_batch(
        StoreHistory(zones, hours_of(stores_), polls_of(stores_)),
        as_of_us,
        DEFAULT_WINDOWS,
        POLICIES[policy],
        adjustments=Adjustments(notes=notes_of([store.polls for store in stores_])),
    )
    plain = measure_batch(
        StoreHistory(zones, hours_of(fetched), polls_of(fetched)),
        as_of_us,
        DEFAULT_WINDOWS,
        POLICIES[policy],
        detail=False,
        adjustments=Adjustments(notes=notes_of([store.polls for store in stores_])),
    )
    for name in ("open_us", "up_us", "down_us", "unknown_us"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(whole, name))
    assert not plain.up_min_us.any()
    assert not plain.polls.any()
    np.testing.assert_array_equal(plain.up_max_us, plain.open_us)


# Open all day. The slot of the second poll ends in the window: until then the poll before it speaks.
_SLOT_INTO_WINDOW = (
    [Store("UTC", [], [Poll(62 * MINUTE_US, True), Poll(65 * MINUTE_US, False)])],
    127 * MINUTE_US,
)


@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("bounds", [True, False])
@some
@example(batch=_SLOT_INTO_WINDOW, windows={DEFAULT_WINDOWS[0]})
@given(
    batch=batches(longest_gap_us=10 * DAY_US), windows=st.sets(st.sampled_from(DEFAULT_WINDOWS), min_size=1)
)
def test_of_the_polls_before_the_windows_only_the_last_one_of_a_store_matters(
    policy: str, bounds: bool, batch: Batch, windows: set[Window]
) -> None:
    stores_, as_of_us = batch
    rules, chosen = POLICIES[policy], sorted(windows, key=lambda window: window.name)
    start_us = as_of_us - longest_reach_us(chosen, as_of_us)
    oldest_us, every_us = start_us - history_us(rules), start_us - every_poll_us(rules)

    def fetched(store: Store) -> Store:
        older = [poll for poll in store.polls if oldest_us <= poll.at_us < every_us]
        last = [poll for poll in older if poll.at_us == max(each.at_us for each in older)]
        return store._replace(polls=[*last, *(poll for poll in store.polls if poll.at_us >= every_us)])

    whole, few = (
        measure_batch(
            StoreHistory([store.zone for store in given], hours_of(given), polls_of(given)),
            as_of_us,
            chosen,
            rules,
            detail=bounds,
            adjustments=Adjustments(notes=notes_of([store.polls for store in given])),
        )
        for given in (stores_, [fetched(store) for store in stores_])
    )
    for name in Measures.__slots__:
        np.testing.assert_array_equal(getattr(few, name), getattr(whole, name))


@pytest.mark.parametrize("policy", sorted(name for name, rules in POLICIES.items() if not rules.slot_us))
@some
@given(batch=batches())
def test_an_event_that_repeats_the_state_of_a_near_poll_counts_like_a_look(policy: str, batch: Batch) -> None:
    stores_, as_of_us = batch
    always_open = [store._replace(hours=[]) for store in stores_]
    horizon_us = POLICIES[policy].horizon_us

    def without_repeats(polls: Sequence[Poll]) -> list[Poll]:
        repeats = {
            later
            for earlier, later in pairwise(polls)
            if earlier.active is later.active and later.at_us - earlier.at_us <= horizon_us
        }
        return [poll._replace(event=poll.event and poll not in repeats) for poll in polls]

    fewer = [store._replace(polls=without_repeats(store.polls)) for store in always_open]
    assert measured(fewer, as_of_us, policy, WINDOWS) == measured(always_open, as_of_us, policy, WINDOWS)


@some
@given(batch=batches())
def test_carry_gives_events_and_looks_the_same_times(batch: Batch) -> None:
    stores_, as_of_us = batch
    looks = [store._replace(polls=[poll._replace(event=False) for poll in store.polls]) for store in stores_]
    times = ("open_us", "up_us", "down_us", "unknown_us", "polls")
    with_events, without = (
        [
            [numbers[name] for name in times]
            for store in measured(given_, as_of_us, "carry", WINDOWS)
            for numbers in store.values()
        ]
        for given_ in (stores_, looks)
    )
    assert with_events == without


@some
@given(batch=batches(), policy=policies, zone=st.sampled_from(FIXED_ZONES), weeks=st.integers(-60, 60))
def test_whole_weeks_do_not_matter_where_clocks_never_change(
    batch: Batch, policy: str, zone: str, weeks: int
) -> None:
    stores_, as_of_us = batch
    shift_us = weeks * 7 * DAY_US
    here = [store._replace(zone=zone) for store in stores_]
    there = [
        store._replace(polls=[poll._replace(at_us=poll.at_us + shift_us) for poll in store.polls])
        for store in here
    ]
    assert measured(there, as_of_us + shift_us, policy, WINDOWS) == measured(here, as_of_us, policy, WINDOWS)
