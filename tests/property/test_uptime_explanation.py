"""The explanation of a store with adjustments fills the window, adds up to the oracle's numbers, and names true causes."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.bounds import bounds_us
from shared.uptime.closures import Treatment
from shared.uptime.explanation import AccountedSegment, StateRule, explain_window, fold_runs
from shared.uptime.policy import POLICIES, NoData
from shared.uptime.states import Polls
from shared.uptime.store_terms import HoursKind, HoursVersion, SpecialDay, StoreClosure, StoreTerms
from shared.uptime.timeline import State, StoreTimeline, timeline_of
from tests.oracle.accounting import DAY_US, EPOCH, HOUR_US, HoursRow, Poll
from tests.oracle.adjusted import TermsStore, measured_terms
from tests.oracle.calendars import Closure, Terms, Version, account_terms, parts_of
from tests.oracle.engine import engine_window, notes_of
from tests.property.terms import WINDOWS, Batch, batches, some

Window = tuple[int, int]
TEN_TO_TEN = [HoursRow(day, 36_000, 79_200) for day in range(7)]


def store_terms(store: TermsStore) -> StoreTerms:
    """The store as the accounting of one store takes it. Closures are numbered by their position."""
    terms = store.terms
    return StoreTerms(
        store.zone,
        [HoursVersion(version.effective_from, version.rows) for version in terms.versions],
        {day: SpecialDay(intervals) for day, intervals in terms.special.items()},
        terms.opened_us,
        terms.closed_us,
        [
            StoreClosure(
                str(number), closure.starts_us, closure.ends_us, Treatment[closure.treatment.upper()]
            )
            for number, closure in enumerate(terms.closures)
        ],
        notes_of([store.polls]),
    )


def explained(
    store: TermsStore, as_of_us: int, policy: str, name: str
) -> tuple[StoreTimeline, list[AccountedSegment], Window]:
    starts_us, ends_us = bounds_us([engine_window(name, WINDOWS[name])], as_of_us, [store.zone])
    window_us = int(starts_us[0, 0]), int(ends_us[0, 0])
    polls = Polls(
        np.zeros(len(store.polls), dtype=np.int64),
        np.array([poll.at_us for poll in store.polls], dtype=np.int64),
        np.array([poll.active for poll in store.polls], dtype=np.bool_),
    )
    terms = store_terms(store)
    shown = timeline_of(terms, polls, as_of_us, window_us, POLICIES[policy])
    return shown, explain_window(terms, shown, window_us, as_of_us), window_us


def length_us(segments: Iterable[AccountedSegment], *states: State) -> int:
    return sum(segment.end.at_us - segment.begin.at_us for segment in segments if segment.state in states)


@pytest.mark.parametrize("policy", POLICIES)
@some
@given(batch=batches(), name=st.sampled_from(sorted(WINDOWS)))
def test_it_adds_up_to_the_kernels_and_the_oracles_numbers(policy: str, batch: Batch, name: str) -> None:
    stores, as_of_us = batch
    for store in stores:
        shown, segments, _ = explained(store, as_of_us, policy, name)
        asked = {name: WINDOWS[name]}
        expected = account_terms(*store, as_of_us, policy, asked)[name]
        assert measured_terms([store], as_of_us, policy, asked)[0][name] == expected
        assert {
            field: int(getattr(shown.measures, field)[0, 0])
            for field in ("scheduled_us", *shown.measures.__slots__)
        } == expected
        if POLICIES[policy].no_data is NoData.SCALE:
            # What was measured, before the share was applied.
            expected = account_terms(*store, as_of_us, "hold", asked)[name]
        for found in (segments, fold_runs(segments)):
            assert length_us(found, State.UP, State.AS_UP) == expected["up_us"]
            assert length_us(found, State.DOWN) == expected["down_us"]
            assert length_us(found, State.UNKNOWN) == expected["unknown_us"]
            assert length_us(found, State.EXCLUDED) == expected["excluded_us"]


@pytest.mark.parametrize("policy", ["classic", "backfill-1m", "slots-15m", "carry"])
@some
@given(batch=batches(), name=st.sampled_from(sorted(WINDOWS)))
def test_segments_fill_the_window_and_name_true_causes(policy: str, batch: Batch, name: str) -> None:
    stores, as_of_us = batch
    for store in stores:
        shown, segments, window_us = explained(store, as_of_us, policy, name)
        assert fills(segments, window_us)
        assert fills(fold_runs(segments), window_us)
        assert sum(one.folded for one in fold_runs(segments)) == len(segments)
        assert [(span[0], span[1]) for span in shown.spans] == scheduled(store, window_us)
        for segment in segments:
            check_cause(store, segment)


def fills(segments: Sequence[AccountedSegment], window_us: Window) -> bool:
    edges = [segment.begin.at_us for segment in segments] + [segment.end.at_us for segment in segments[-1:]]
    follows = all(one.end.at_us == other.begin.at_us for one, other in pairwise(segments))
    bounds = (edges[0], edges[-1]) if edges else (window_us[0], window_us[0])
    return follows and bounds == window_us and all(one < other for one, other in pairwise(edges))


def scheduled(store: TermsStore, window_us: Window) -> list[Window]:
    parts = parts_of(store.zone or "America/Chicago", store.terms, *window_us)
    pieces = sorted([*parts.measured, *parts.excluded, *parts.as_up])
    spans: list[Window] = []
    for begin_us, end_us in pieces:
        begin_us, end_us = max(begin_us, window_us[0]), min(end_us, window_us[1])  # noqa: PLW2901
        if begin_us >= end_us:
            continue
        if spans and spans[-1][1] == begin_us:
            spans[-1] = spans[-1][0], end_us
        else:
            spans.append((begin_us, end_us))
    return spans


def check_cause(store: TermsStore, segment: AccountedSegment) -> None:
    """The segment's closure, lifetime, poll or hours are those that the store has."""
    terms, (begin_us, end_us) = store.terms, (segment.begin.at_us, segment.end.at_us)
    if segment.rule is StateRule.LIFETIME:
        assert (terms.opened_us or begin_us) >= end_us or (terms.closed_us or end_us) <= begin_us
    if segment.rule is StateRule.CLOSURE:
        assert segment.closure is not None
        closure = terms.closures[int(segment.closure.id)]
        assert closure.treatment == {"excluded": "exclude", "as_up": "as_up"}[segment.state]
        assert closure.starts_us <= begin_us
        assert closure.ends_us is None or end_us <= closure.ends_us
    if segment.rule in (StateRule.POLL, StateRule.CARRY):
        (at_us,) = segment.polls_us
        assert segment.state is (
            State.UP if {poll.at_us: poll.active for poll in store.polls}[at_us] else State.DOWN
        )
    zone = ZoneInfo(store.zone or "America/Chicago")
    for source in segment.hours:
        if source.kind is HoursKind.SPECIAL:
            assert source.day is not None
            assert source.day in terms.special
            assert bool(terms.special[source.day]) or segment.state is State.CLOSED
        elif source.kind is HoursKind.DATED:
            assert source.effective_from in {version.effective_from for version in terms.versions}
    if segment.state is not State.CLOSED:
        assert segment.hours
    elif segment.rule is StateRule.HOURS:
        days = {(EPOCH + timedelta(microseconds=at)).astimezone(zone).date() for at in (begin_us, end_us - 1)}
        special = {source.day for source in segment.hours if source.kind is HoursKind.SPECIAL}
        assert days & set(terms.special) <= special


CHICAGO = "America/Chicago"
FRIDAY = date(2024, 10, 18)


def at_us(hour: int, minute: int = 0, *, day: date = FRIDAY) -> int:
    """An instant of the Friday in Chicago, five hours behind UTC."""
    return ((day - EPOCH.date()).days * 24 + hour + 5) * HOUR_US + minute * 60_000_000


def told(segments: Sequence[AccountedSegment]) -> list[tuple[str, float, float, str]]:
    return [
        (
            segment.state,
            (segment.begin.at_us - at_us(0)) / HOUR_US,
            (segment.end.at_us - at_us(0)) / HOUR_US,
            segment.rule,
        )
        for segment in segments
    ]


def test_the_disputed_friday() -> None:
    """CALENDARS.md, section 5: a closure declared afterwards takes the time from 16:00 to 18:30 out."""
    polls = [
        Poll(at_us(hour, minute), active)
        for hour, minute, active in (
            (12, 10, True),
            (12, 50, False),
            (13, 20, False),
            (14, 20, True),
            (20, 0, True),
        )
    ]
    closure = Closure(at_us(16), at_us(18, 30), "exclude")
    store = TermsStore(CHICAGO, Terms([Version(None, TEN_TO_TEN)], closures=[closure]), polls)
    _, segments, _ = explained(store, at_us(24), "classic", "last_day")
    assert told(segments) == [
        ("closed", 0, 10, "hours"),
        ("up", 10, 12.5, "poll"),
        ("down", 12.5, 13 + 5 / 60, "poll"),
        ("down", 13 + 5 / 60, 13 + 50 / 60, "poll"),
        ("up", 13 + 50 / 60, 16, "poll"),
        ("excluded", 16, 18.5, "closure"),
        ("up", 18.5, 22, "poll"),
        ("closed", 22, 24, "hours"),
    ]
    assert [(segment.begin.rule, segment.end.rule) for segment in segments[4:7]] == [
        ("midpoint", "closure"), ("closure", "closure"), ("closure", "edge")
    ]  # fmt: skip


def test_overlapping_closures_part_the_time_by_the_one_that_began_first() -> None:
    closures = [
        Closure(at_us(12), at_us(14), "exclude"),
        Closure(at_us(11), at_us(13), "exclude"),
        Closure(at_us(10), at_us(15), "as_up"),
    ]
    store = TermsStore(CHICAGO, Terms([Version(None, TEN_TO_TEN)], closures=closures), [])
    _, segments, _ = explained(store, at_us(22), "classic", "last_day")
    assert [
        (segment.state, segment.closure.id, (segment.begin.at_us - at_us(0)) / HOUR_US)
        for segment in segments
        if segment.closure
    ] == [("as_up", "2", 10), ("excluded", "1", 11), ("excluded", "0", 13), ("as_up", "2", 14)]


def test_carry_names_polls_from_before_the_opening_and_lifetimes_and_runs_fold() -> None:
    polls = [Poll(at_us(hour), active=True) for hour in (8, 11, 12, 13, 14)]
    terms = Terms([Version(None, TEN_TO_TEN)], {FRIDAY: [(32_400, 54_000)]}, closed_us=at_us(14, 30))
    store = TermsStore(CHICAGO, terms, polls)
    _, segments, _ = explained(store, at_us(20), "carry", "last_day")
    folded = fold_runs(segments)
    assert told(folded)[-4:] == [
        ("closed", -2, 9, "hours"),
        ("up", 9, 11, "carry"),
        ("up", 11, 14.5, "poll"),
        ("closed", 14.5, 20, "lifetime"),
    ]
    run = folded[-2]
    assert (run.folded, len(run.polls_us), run.end.rule) == (4, 4, "lifetime")
    assert [source.kind for source in run.hours] == ["special"]
    assert [(source.kind, source.day) for source in folded[-4].hours] == [
        ("weekly", None),
        ("special", FRIDAY),
    ]
    assert folded[-1].end.at_us - folded[0].begin.at_us == DAY_US
