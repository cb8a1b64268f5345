"""What holds for dated hours, special days, lifetimes, closures and outages whatever the data."""

import random
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.batch import StoreHistory, find_quiet
from shared.uptime.bounds import bounds_us
from shared.uptime.calendar import Spans
from shared.uptime.policy import POLICIES, NoData, Policy, every_poll_us, history_us, outage_history_us
from tests.oracle.accounting import DAY_US, EPOCH, HoursRow, Poll
from tests.oracle.adjusted import TermsStore, engine_outages, inputs_of, measured_terms, plain
from tests.oracle.calendars import Closure, Terms, Version
from tests.oracle.engine import engine_window, measured, polls_of
from tests.property.stores import durations_us
from tests.property.terms import WINDOWS, Batch, batches, closures, some

policies = st.sampled_from(sorted(POLICIES))
LENGTHS = {name: window for name, window in WINDOWS.items() if isinstance(window, int)}
Intervals = list[tuple[int, int, int]]


def with_closures(stores: Sequence[TermsStore], given: Sequence[Closure]) -> list[TermsStore]:
    return [store._replace(terms=store.terms._replace(closures=given)) for store in stores]


@some
@given(batch=batches(), policy=policies)
def test_scheduled_is_open_and_excluded_and_no_closure_changes_it(batch: Batch, policy: str) -> None:
    stores, as_of_us = batch
    without = measured_terms(with_closures(stores, []), as_of_us, policy, WINDOWS)
    for store, undisturbed in zip(measured_terms(stores, as_of_us, policy, WINDOWS), without, strict=True):
        for name, window in store.items():
            assert window["scheduled_us"] == window["open_us"] + window["excluded_us"]
            assert window["scheduled_us"] == undisturbed[name]["open_us"]
            assert window["open_us"] == window["up_us"] + window["down_us"] + window["unknown_us"]
            assert min(window.values()) >= 0


@pytest.mark.parametrize("policy", ["classic", "strict", "hold"])
@some
@given(batch=batches())
def test_uptime_lies_between_its_bounds(policy: str, batch: Batch) -> None:
    for store in measured_terms(*batch, policy, WINDOWS):
        for window in store.values():
            assert window["up_min_us"] <= window["up_us"] <= window["up_max_us"]


@some
@given(batch=batches(), policy=policies)
def test_inputs_that_say_nothing_new_change_nothing(batch: Batch, policy: str) -> None:
    """Two equal versions, special days with the weekly hours, a lifetime around everything, an ignored closure."""
    stores, as_of_us = batch
    today = (EPOCH + timedelta(microseconds=as_of_us)).date()
    weekly = [store._replace(terms=Terms([Version(None, store.terms.versions[0].rows)])) for store in stores]
    said_again = [
        store._replace(
            terms=Terms(
                [*store.terms.versions, store.terms.versions[0]._replace(effective_from=today)],
                {today: on_weekday(store.terms, today.weekday())},
                as_of_us - 50 * DAY_US,
                as_of_us + 50 * DAY_US,
                [Closure(as_of_us - DAY_US, None, "ignore"), Closure(as_of_us, as_of_us, "exclude")],
            )
        )
        for store in weekly
    ]
    plain_numbers = measured(plain(weekly), as_of_us, policy, WINDOWS)
    assert measured_terms(weekly, as_of_us, policy, WINDOWS) == plain_numbers
    assert measured_terms(said_again, as_of_us, policy, WINDOWS) == plain_numbers


def on_weekday(terms: Terms, weekday: int) -> list[tuple[int, int]]:
    rows = terms.versions[0].rows or [HoursRow(day, 0, 86_399) for day in range(7)]
    return [(row.opens_s, row.closes_s) for row in rows if row.day_of_week == weekday]


@some
@given(batch=batches(), policy=policies, data=st.data())
def test_a_closure_that_is_withdrawn_leaves_no_trace(batch: Batch, policy: str, data: st.DataObject) -> None:
    stores, as_of_us = batch
    declared = [
        store._replace(
            terms=store.terms._replace(closures=[*store.terms.closures, data.draw(closures(as_of_us))])
        )
        for store in stores
    ]
    before = measured_terms(stores, as_of_us, policy, WINDOWS)
    measured_terms(declared, as_of_us, policy, WINDOWS)
    withdrawn = [
        store._replace(terms=store.terms._replace(closures=store.terms.closures[:-1])) for store in declared
    ]
    assert measured_terms(withdrawn, as_of_us, policy, WINDOWS) == before


@some
@given(
    batch=batches(),
    policy=policies,
    cut=durations_us(DAY_US),
    length=durations_us(DAY_US),
    after=durations_us(9 * DAY_US),
)
def test_two_closures_that_touch_are_one(
    batch: Batch, policy: str, cut: int, length: int, after: int
) -> None:
    stores, as_of_us = batch
    start_us = as_of_us - after
    end_us = start_us + cut + length
    for treatment in ("exclude", "as_up"):
        one = with_closures(stores, [Closure(start_us, end_us, treatment)])
        two = with_closures(
            stores, [Closure(start_us + cut, end_us, treatment), Closure(start_us, start_us + cut, treatment)]
        )
        assert measured_terms(one, as_of_us, policy, WINDOWS) == measured_terms(
            two, as_of_us, policy, WINDOWS
        )
        assert engine_outages(one, as_of_us, policy, 7 * DAY_US) == engine_outages(
            two, as_of_us, policy, 7 * DAY_US
        )


@some
@given(batch=batches(), window=st.sampled_from(sorted(WINDOWS)), policy=policies)
def test_outages_add_up_to_the_down_time(batch: Batch, window: str, policy: str) -> None:
    stores, as_of_us = batch
    if POLICIES[policy].no_data is NoData.SCALE:
        policy = "hold"
    expected = [
        store[window]["down_us"]
        for store in measured_terms(stores, as_of_us, policy, {window: WINDOWS[window]})
    ]
    found = engine_outages(stores, as_of_us, policy, WINDOWS[window])
    assert [sum(outage.down_us for outage in of_store) for of_store in found] == expected
    for of_store in found:
        assert all(outage.down_us > 0 for outage in of_store)
        assert all(earlier.ended_us is not None for earlier in of_store[:-1])
        assert all((earlier.ended_us or 0) < later.started_us for earlier, later in pairwise(of_store))


@some
@given(batch=batches(), policy=policies, seed=st.integers(0, 2**32 - 1))
def test_neither_order_nor_batch_matters(batch: Batch, policy: str, seed: int) -> None:
    stores, as_of_us = batch
    chance = random.Random(seed)
    together = measured_terms(stores, as_of_us, policy, WINDOWS)
    outages = engine_outages(stores, as_of_us, policy, 7 * DAY_US)
    order = chance.sample(range(len(stores)), len(stores))
    shuffled = [stores[k]._replace(terms=shuffled_terms(stores[k].terms, chance)) for k in order]
    assert measured_terms(shuffled, as_of_us, policy, WINDOWS) == [together[k] for k in order]
    assert engine_outages(shuffled, as_of_us, policy, 7 * DAY_US) == [outages[k] for k in order]
    assert [measured_terms([store], as_of_us, policy, WINDOWS)[0] for store in stores] == together
    assert [engine_outages([store], as_of_us, policy, 7 * DAY_US)[0] for store in stores] == outages


def shuffled_terms(terms: Terms, chance: random.Random) -> Terms:
    versions, special, given = list(terms.versions), list(terms.special.items()), list(terms.closures)
    for rows in (versions, special, given):
        chance.shuffle(rows)
    return terms._replace(versions=versions, special=dict(special), closures=given)


@some
@given(batch=batches(), policy=policies, window=st.sampled_from(sorted(LENGTHS)))
def test_older_polls_do_not_matter(batch: Batch, policy: str, window: str) -> None:
    stores, as_of_us = batch
    start_us, rules = as_of_us - LENGTHS[window], POLICIES[policy]
    asked = {window: WINDOWS[window]}
    recent = since(stores, start_us - history_us(rules))
    assert measured_terms(recent, as_of_us, policy, asked) == measured_terms(stores, as_of_us, policy, asked)
    recent = since(stores, start_us - outage_history_us(rules))
    assert engine_outages(recent, as_of_us, policy, LENGTHS[window]) == engine_outages(
        stores, as_of_us, policy, LENGTHS[window]
    )


def since(stores: Sequence[TermsStore], first_us: int) -> list[TermsStore]:
    return [store._replace(polls=[p for p in store.polls if p.at_us >= first_us]) for store in stores]


@some
@given(batch=batches(), policy=policies, window=st.sampled_from(sorted(LENGTHS)), detail=st.booleans())
def test_of_the_polls_before_the_window_only_the_last_one_of_a_store_matters(
    batch: Batch, policy: str, window: str, *, detail: bool
) -> None:
    stores, as_of_us = batch
    every_us = as_of_us - LENGTHS[window] - every_poll_us(POLICIES[policy])
    oldest_us = as_of_us - LENGTHS[window] - history_us(POLICIES[policy])

    def needed(polls: Sequence[Poll]) -> list[Poll]:
        before = [poll for poll in polls if oldest_us <= poll.at_us < every_us]
        return [*before[-1:], *(poll for poll in polls if poll.at_us >= every_us)]

    fetched = [store._replace(polls=needed(store.polls)) for store in stores]
    asked = {window: WINDOWS[window]}
    assert measured_terms(fetched, as_of_us, policy, asked, detail=detail) == measured_terms(
        stores, as_of_us, policy, asked, detail=detail
    )


@some
@given(batch=batches())
def test_the_parts_of_the_schedule_tile_it(batch: Batch) -> None:
    stores, as_of_us = batch
    zones, range_us = [store.zone for store in stores], (as_of_us - 9 * DAY_US, as_of_us)
    whole, parted = (
        adjusted_schedule(zones, *inputs_of(given), *range_us)
        for given in (with_closures(stores, []), stores)
    )
    for part in (parted.measured, parted.excluded, parted.as_up):
        assert all(before[0] < after[0] or before[2] < after[1] for before, after in pairwise(rows_of(part)))
    pieces = sorted(rows_of(parted.measured) + rows_of(parted.excluded) + rows_of(parted.as_up))
    joined: Intervals = []
    for store, open_us, close_us in pieces:
        assert open_us < close_us
        if joined and joined[-1][0] == store and joined[-1][2] == open_us:
            joined[-1] = (store, joined[-1][1], close_us)
        else:
            joined.append((store, open_us, close_us))
    assert joined == rows_of(whole.measured)


def rows_of(spans: Spans) -> Intervals:
    return list(zip(spans.store.tolist(), spans.open_us.tolist(), spans.close_us.tolist(), strict=True))


@some
@given(batch=batches(), policy=policies, window=st.sampled_from(sorted(LENGTHS)))
def test_the_polls_that_a_worker_reads_are_enough_for_outages(batch: Batch, policy: str, window: str) -> None:
    """From the window's start on every poll, before it the last one, and the last one before the store's quiet time."""
    stores, as_of_us = batch
    rules, start_us = POLICIES[policy], as_of_us - LENGTHS[window]
    hours, adjustments = inputs_of(stores)
    history = StoreHistory([store.zone for store in stores], hours, polls_of(plain(stores)))
    asked = [engine_window(window, LENGTHS[window])]
    starts_us, _ = bounds_us(asked, as_of_us, history.zones)
    quiet, last_us = find_quiet(history, starts_us.min(axis=1), as_of_us, rules, adjustments=adjustments)
    before_us = dict(zip(quiet.tolist(), last_us.tolist(), strict=True))
    read = [
        store._replace(polls=read_polls(store.polls, (start_us, before_us.get(place)), rules))
        for place, store in enumerate(stores)
    ]
    assert engine_outages(read, as_of_us, policy, LENGTHS[window]) == engine_outages(
        stores, as_of_us, policy, LENGTHS[window]
    )


def read_polls(polls: Sequence[Poll], moments_us: tuple[int, int | None], rules: Policy) -> list[Poll]:
    start_us, quiet_us = moments_us
    every_us = start_us - every_poll_us(rules)
    chosen = {poll.at_us for poll in polls if poll.at_us >= every_us}
    chosen |= {max((poll.at_us for poll in polls if poll.at_us < every_us), default=0)}
    if quiet_us is not None:
        slot_us = quiet_us - rules.slot_us
        chosen |= {poll.at_us for poll in polls if slot_us <= poll.at_us < quiet_us}
        oldest_us = slot_us - rules.horizon_us
        chosen |= {max((poll.at_us for poll in polls if oldest_us <= poll.at_us < slot_us), default=0)}
    return [poll for poll in polls if poll.at_us in chosen]
