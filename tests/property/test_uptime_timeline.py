"""A timeline's segments fill the open time, add up to the report's numbers, and begin and end where their rule says."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.uptime.bounds import bounds_us
from shared.uptime.policy import POLICIES, NoData
from shared.uptime.store_terms import HoursVersion, StoreTerms
from shared.uptime.timeline import State, StateSegment, StoreTimeline, timeline_of
from tests.oracle.accounting import DAY_US, HOUR_US, RULES, Poll, account, open_spans, window_bounds
from tests.oracle.engine import Store, engine_window, notes_of, polls_of
from tests.property.stores import as_of_us, stores

WINDOWS: dict[str, int | str] = {
    "last_hour": HOUR_US,
    "last_day": DAY_US,
    "last_week": 7 * DAY_US,
    "previous_day": "previous_day",
    "previous_week": "previous_week",
    "month_to_date": "month_to_date",
}
Case = tuple[Store, int, str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    until_us = draw(as_of_us())
    return draw(stores(until_us)), until_us, draw(st.sampled_from(sorted(WINDOWS)))


def timeline(case: Case, policy: str) -> tuple[StoreTimeline, tuple[int, int]]:
    store, as_of, name = case
    starts_us, ends_us = bounds_us([engine_window(name, WINDOWS[name])], as_of, [store.zone])
    window_us = int(starts_us[0, 0]), int(ends_us[0, 0])
    shown = timeline_of(
        StoreTerms(store.zone, [HoursVersion(None, store.hours)], notes=notes_of([store.polls])),
        polls_of([store]),
        as_of,
        window_us,
        POLICIES[policy],
    )
    return shown, window_us


def length_us(segments: list[StateSegment], state: State) -> int:
    return sum(segment.end.at_us - segment.begin.at_us for segment in segments if segment.state is state)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_it_adds_up_to_the_oracles_numbers(policy: str, case: Case) -> None:
    shown, window_us = timeline(case, policy)
    store, as_of, name = case
    expected = account(*store, as_of, policy, {name: WINDOWS[name]})[name]
    assert {field: int(getattr(shown.measures, field)[0, 0]) for field in expected} == expected
    summed = {
        state: length_us(list(shown.segments), state) for state in (State.UP, State.DOWN, State.UNKNOWN)
    }
    assert {segment.state for segment in shown.segments} <= set(summed)
    assert sum(summed.values()) == expected["open_us"]
    if POLICIES[policy].no_data is NoData.SCALE:
        measured = account(*store, as_of, "hold", {name: WINDOWS[name]})[name]
        expected |= {field: measured[field] for field in ("up_us", "down_us", "unknown_us")}
    assert summed == {
        State.UP: expected["up_us"], State.DOWN: expected["down_us"], State.UNKNOWN: expected["unknown_us"]
    }  # fmt: skip
    assert window_us == window_bounds(store.zone or "America/Chicago", as_of, WINDOWS[name])
    counted = [poll for poll in shown.polls if poll.counts and window_us[0] <= poll.at_us <= window_us[1]]
    if RULES[policy].scope == "span":
        at_end = sum(poll.at_us == window_us[1] < as_of for poll in counted)
        assert len(counted) - at_end == expected["polls"]


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_segments_follow_each_other_and_fill_the_spans(policy: str, case: Case) -> None:
    shown, window_us = timeline(case, policy)
    for open_us, close_us in shown.spans:
        assert window_us[0] <= open_us < close_us <= window_us[1]
        inside = [segment for segment in shown.segments if open_us <= segment.begin.at_us < close_us]
        assert inside[0].begin.at_us == open_us
        assert inside[-1].end.at_us == close_us
        assert all(earlier.end.at_us == later.begin.at_us for earlier, later in pairwise(inside))
        assert all(earlier.end == later.begin for earlier, later in pairwise(inside))
        assert all(segment.begin.at_us < segment.end.at_us for segment in inside)
    assert len(shown.segments) == sum(
        open_us <= segment.begin.at_us < close_us
        for segment in shown.segments
        for open_us, close_us in shown.spans
    )


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_every_border_is_where_its_rule_says(policy: str, case: Case) -> None:
    shown, window_us = timeline(case, policy)
    store, as_of, _ = case
    rules = RULES[policy]
    polls = sorted({poll.at_us for poll in store.polls if poll.at_us <= as_of})
    halfway = {(earlier + later) // 2 for n, earlier in enumerate(polls) for later in polls[n + 1 :]}
    spans = open_spans(store.zone or "America/Chicago", store.hours, window_us[0] - 15 * DAY_US, as_of)
    places = {
        "edge": {edge for span in spans for edge in span},
        "poll": set(polls),
        "event": {poll.at_us for poll in store.polls if poll.event},
        "midpoint": halfway,
        "stale": {at + sign * rules.horizon_us for at in polls for sign in (-1, 1)},
        "as_of": {as_of},
        "window": set(window_us),
    }
    for segment in shown.segments:
        for border in (segment.begin, segment.end):
            if border.rule == "slot":
                assert border.at_us % rules.slot_us == 0
                assert rules.slot_us > 1
            else:
                assert border.at_us in places[border.rule], (border, segment)
        if segment.poll_us is not None:
            assert (segment.poll_us, segment.state is State.UP) in {(p.at_us, p.active) for p in shown.polls}
            assert segment.poll_us - rules.horizon_us <= segment.begin.at_us
            assert segment.end.at_us <= segment.poll_us + rules.horizon_us


def test_the_worked_case_reads_as_the_page_says() -> None:
    """Mondays 10:00-22:00 in Chicago, polls half past, as of 13:00: up, down, up, an hour each."""
    at = np.datetime64("2024-10-14T18:00", "us").astype(np.int64).item()
    store = Store(
        "America/Chicago",
        [(0, 36_000, 79_200)],  # type: ignore[list-item]
        [(at - minutes * 60_000_000, active) for minutes, active in ((150, True), (90, False), (30, True))],  # type: ignore[misc]
    )
    terms = StoreTerms(store.zone, [HoursVersion(None, store.hours)])
    shown = timeline_of(terms, polls_of([store]), at, (at - DAY_US, at), POLICIES["classic"])
    told = [
        (s.begin.rule, (s.begin.at_us - at) // HOUR_US, s.state, (s.end.at_us - at) // HOUR_US, s.end.rule)
        for s in shown.segments
    ]
    assert told == [
        ("edge", -3, "up", -2, "midpoint"),
        ("midpoint", -2, "down", -1, "midpoint"),
        ("midpoint", -1, "up", 0, "as_of"),
    ]


def test_a_poll_on_the_slot_does_not_rename_the_border_that_an_earlier_poll_was_rounded_to() -> None:
    quarter_us = 15 * 60_000_000
    slot_us = 100 * DAY_US
    polls = [Poll(slot_us - quarter_us, True), Poll(slot_us - 1, False), Poll(slot_us, True)]
    store = Store("UTC", [], polls)
    shown, _ = timeline((store, slot_us + quarter_us, "last_hour"), "slots-15m")
    earlier, later = shown.segments[-2:]
    assert earlier.end == later.begin
    assert earlier.end.at_us == slot_us


def test_an_empty_window_has_no_spans() -> None:
    first_of_a_month_us = 31 * DAY_US  # 1970-02-01T00:00Z: month_to_date has not begun
    shown, (start_us, end_us) = timeline(
        (Store("UTC", [], []), first_of_a_month_us, "month_to_date"), "classic"
    )
    assert start_us == end_us
    assert (list(shown.spans), list(shown.segments)) == ([], [])
