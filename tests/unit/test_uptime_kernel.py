"""State to numbers: windows of all kinds, exactness, corrections, and batches of every shape."""

import numpy as np
import pytest

from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.calendar import Hours, Spans
from shared.uptime.closures import Schedule
from shared.uptime.intervals import Int64s, Line, elapsed_before
from shared.uptime.kernel import Measures, Polls, measure
from shared.uptime.policy import DAY_US, HOUR_US, POLICIES
from shared.uptime.window import DEFAULT_WINDOWS, Window
from tests.oracle.engine import numbers

AS_OF_US = 1_728_950_118_727_055
NO_HOURS = Hours(*np.zeros((4, 0), dtype=np.int64))


def ints(*values: int) -> Int64s:
    return np.array(values, dtype=np.int64)


def polls(*taken: tuple[int, int, bool]) -> Polls:
    """Polls of (store, microseconds before as_of, active)."""
    store, before_us, active = np.array(taken, dtype=np.int64).reshape(-1, 3).T
    return Polls(store, AS_OF_US - before_us, active.astype(np.bool_))


def of_24x7(taken: Polls, policy: str, *windows: Window, stores: int = 1) -> Measures:
    return measure_batch(
        StoreHistory([None] * stores, NO_HOURS, taken), AS_OF_US, windows or DEFAULT_WINDOWS, POLICIES[policy]
    )


@pytest.mark.parametrize("stores", [0, 1, 2_500])
@pytest.mark.parametrize("policy", POLICIES)
def test_any_number_of_stores_without_hours_or_polls(stores: int, policy: str) -> None:
    measures = of_24x7(polls(), policy, stores=stores)
    for name in Measures.__slots__:
        assert getattr(measures, name).shape == (stores, 3)
        assert getattr(measures, name).dtype == np.int64
    lengths_us = [window.reach_us for window in DEFAULT_WINDOWS]
    assert measures.open_us.tolist() == [lengths_us] * stores
    assert not measures.up_us.any()


def test_the_last_delivery_of_an_instant_counts_once() -> None:
    corrected = of_24x7(polls((0, HOUR_US, True), (0, HOUR_US, True), (0, HOUR_US, False)), "classic")
    assert corrected.up_us.tolist() == [[0, 0, 0]]
    assert corrected.polls.tolist() == [[1, 1, 1]]
    back_again = of_24x7(polls((0, HOUR_US, False), (0, HOUR_US, True)), "classic")
    assert back_again.down_us.tolist() == [[0, 0, 0]]


def test_the_scaled_share_is_exact_where_64_bits_are_not_enough() -> None:
    week = Window("week", 7 * DAY_US)
    taken = polls((0, 5 * DAY_US - 7, True), (0, 4 * DAY_US - 1, False), (0, HOUR_US + 3, True))
    plain, scaled = (numbers(of_24x7(taken, policy, week), 0, 0) for policy in ("hold", "hold-scaled"))
    assert plain["unknown_us"] > 0
    assert plain["open_us"] * plain["up_us"] > 2**64
    assert scaled["up_us"] == plain["open_us"] * plain["up_us"] // (plain["up_us"] + plain["down_us"])
    assert scaled["down_us"] == plain["open_us"] - scaled["up_us"]


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_silence_that_grows_past_two_horizons_changes_at_most_a_slot(policy: str) -> None:
    week = Window("week", 7 * DAY_US)
    near = of_24x7(polls((0, 4 * DAY_US, False), (0, 2 * DAY_US, True)), policy, week)
    far = of_24x7(polls((0, 4 * DAY_US + 1, False), (0, 2 * DAY_US, True)), policy, week)
    rounding_us = max(1, POLICIES[policy].slot_us)
    assert abs(near.up_us - far.up_us).max() <= rounding_us
    assert abs(near.down_us - far.down_us).max() <= rounding_us


def test_every_store_may_have_windows_of_its_own_that_end_before_as_of() -> None:
    spans = Spans(ints(0, 1), ints(0, 0), ints(AS_OF_US * 2, AS_OF_US * 2))
    taken = polls((0, 4 * HOUR_US, True), (0, 2 * HOUR_US, False), (1, 4 * HOUR_US, True), (1, 0, True))
    starts_us = AS_OF_US - np.array([[6, 3], [5, 2]]) * HOUR_US
    ends_us = AS_OF_US - np.array([[2, 1], [1, 0]]) * HOUR_US
    measures = measure(Schedule.of(spans), taken, AS_OF_US, (starts_us, ends_us), POLICIES["classic"])
    assert (measures.up_us // HOUR_US).tolist() == [[3, 0], [4, 2]]
    assert (measures.down_us // HOUR_US).tolist() == [[1, 2], [0, 0]]
    assert (measures.up_min_us // HOUR_US).tolist() == [[0, 0], [3, 2]]
    assert measures.polls.tolist() == [[1, 1], [1, 1]]


def test_time_and_polls_after_as_of_do_not_count() -> None:
    spans = Spans(ints(0), ints(0), ints(AS_OF_US * 2))
    windows_us = np.array([[AS_OF_US - HOUR_US]]), np.array([[AS_OF_US + HOUR_US]])
    measures = measure(
        Schedule.of(spans), polls((0, 0, True), (0, -1, False)), AS_OF_US, windows_us, POLICIES["classic"]
    )
    assert numbers(measures, 0, 0) == {
        "scheduled_us": HOUR_US,
        "excluded_us": 0,
        "open_us": HOUR_US,
        "up_us": HOUR_US,
        "down_us": 0,
        "unknown_us": 0,
        "up_min_us": 0,
        "up_max_us": HOUR_US,
        "polls": 1,
    }


def test_a_batch_may_fill_63_bits_but_no_more() -> None:
    line = Line.covering(0, 400 * DAY_US, 250_000)
    begin = line.place(ints(249_998, 249_999), ints(DAY_US, DAY_US))
    until = line.place(ints(0, 249_998, 249_999), ints(DAY_US, 400 * DAY_US, 400 * DAY_US))
    assert (elapsed_before(begin, begin + HOUR_US, until) // HOUR_US).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="too many for one batch"):
        Line.covering(0, 400 * DAY_US, 300_000)
