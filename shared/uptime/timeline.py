"""Explain one store in one window: its spans, its polls, its states and the rule behind each border.

States and totals come from the kernel; this module only names them. Must not know the database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from shared.uptime.borders import Border, Borders, Rule
from shared.uptime.calendar import Hours, Spans, spans_of
from shared.uptime.closures import Schedule
from shared.uptime.kernel import Measures, measure
from shared.uptime.policy import NoData, Policy, Scope, history_us
from shared.uptime.states import PollHistory, Polls


class State(StrEnum):
    """The state that the accounting assigns to a store."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StateSegment:
    """Open time in one state. `poll_us` is the instant of the poll that decides it, None if no poll does."""

    begin: Border
    end: Border
    state: State
    poll_us: int | None


@dataclass(frozen=True, slots=True)
class SeenPoll:
    """A poll. `counts` is false if it was taken while the store was closed and the policy ignores such polls."""

    at_us: int
    active: bool
    counts: bool


@dataclass(frozen=True, slots=True)
class StoreTimeline:
    """The window `[start, end)` seen from `as_of`. Spans are cut to it, and segments fill them without a gap.

    `measures` are what a report shows for this window. The segments add up to it, except under a policy that scales:
    then they are what was measured, before the share was applied.
    """

    spans: Sequence[tuple[int, int]]
    polls: Sequence[SeenPoll]
    segments: Sequence[StateSegment]
    measures: Measures


def timeline_of(
    zone: str | None,
    hours: Hours,
    polls: Polls,
    as_of_us: int,
    window_us: tuple[int, int],
    policy: Policy,
) -> StoreTimeline:
    """Explain one store, number 0 of `hours` and `polls`, in a window that ends no later than `as_of_us`.

    The polls must reach back to `history_us(policy)` before the window. Raises ZoneInfoNotFoundError.
    """
    start_us, end_us = window_us
    first_us = start_us - history_us(policy)
    spans = spans_of([zone], hours, first_us, as_of_us)
    history = PollHistory(spans, polls, first_us, as_of_us, 1, policy)
    bounds_us = np.array([[start_us]], dtype=np.int64), np.array([[end_us]], dtype=np.int64)
    cut = [
        (max(open_us, start_us), min(close_us, end_us))
        for open_us, close_us in zip(spans.open_us.tolist(), spans.close_us.tolist(), strict=True)
        if max(open_us, start_us) < min(close_us, end_us)
    ]
    named = list(_name_borders(history, spans, as_of_us, policy))
    segments = [
        segment
        for span in cut
        for segment in _fill_span(span, named, window_us, as_of_us, is_down=policy.no_data is NoData.DOWN)
    ]
    all_count = policy.scope is Scope.ALL
    counted = set((polls if all_count else history.counted[0]).at_us.tolist())
    return StoreTimeline(
        cut,
        list(_window_polls(counted, polls, segments, window_us, (first_us, as_of_us))),
        segments,
        measure(Schedule.of(spans), polls, as_of_us, bounds_us, policy),
    )


def _name_borders(
    history: PollHistory, spans: Spans, as_of_us: int, policy: Policy
) -> Iterator[StateSegment]:
    """Yield the kernel's states with the rules of their borders."""
    borders, states = Borders(history, spans, as_of_us, policy), history.states()
    polls, _ = history.deciding
    columns = (states.begin_us, states.end_us, states.active, states.poll, polls.at_us[states.poll])
    for begin_us, end_us, active, poll, poll_us in zip(*(c.tolist() for c in columns), strict=True):
        state = State.UP if active else State.DOWN
        yield StateSegment(
            borders.begin_border(poll, begin_us), borders.end_border(poll, end_us), state, poll_us
        )


def _fill_span(
    span: tuple[int, int],
    states: Sequence[StateSegment],
    window_us: tuple[int, int],
    as_of_us: int,
    *,
    is_down: bool,
) -> Iterator[StateSegment]:
    """Yield the segments of one cut span, and the time between them."""
    open_us, close_us = span
    silent = State.DOWN if is_down else State.UNKNOWN
    reached = Border(open_us, Rule.WINDOW if open_us == window_us[0] else Rule.EDGE)
    for segment in states:
        begin_us, end_us = max(segment.begin.at_us, open_us), min(segment.end.at_us, close_us)
        if begin_us >= end_us:
            continue
        if reached.at_us < begin_us:
            yield StateSegment(reached, segment.begin, silent, None)
            reached = segment.begin
        # Neighbours share one border, so that both name the same rule for it.
        end = segment.end if segment.end.at_us <= close_us else _window_border(close_us, window_us, as_of_us)
        yield StateSegment(reached, end, segment.state, segment.poll_us)
        reached = end
    if reached.at_us < close_us:
        yield StateSegment(reached, _window_border(close_us, window_us, as_of_us), silent, None)


def _window_border(close_us: int, window_us: tuple[int, int], as_of_us: int) -> Border:
    if close_us < window_us[1]:
        return Border(close_us, Rule.EDGE)
    return Border(close_us, Rule.AS_OF if close_us == as_of_us else Rule.WINDOW)


def _window_polls(
    counted: set[int],
    polls: Polls,
    segments: Sequence[StateSegment],
    window_us: tuple[int, int],
    known_us: tuple[int, int],
) -> Iterator[SeenPoll]:
    """Yield the polls of the window, and those outside it that decide a state in it; at one instant only the last one."""
    deciding = {segment.poll_us for segment in segments}
    delivered = dict(zip(polls.at_us.tolist(), polls.active.tolist(), strict=True))
    for at_us, active in sorted(delivered.items()):
        is_shown = window_us[0] <= at_us <= window_us[1] or at_us in deciding
        if is_shown and known_us[0] <= at_us <= known_us[1]:
            yield SeenPoll(at_us, active, counts=at_us in counted)
