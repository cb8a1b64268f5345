"""One store in one window, moment by moment: its spans, its polls, its states and the rule behind each border.

The states and the totals are the kernel's own; here they are only named. Knows no database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from shared.uptime.borders import Border, Borders, Rule
from shared.uptime.calendar import Hours, Spans, spans_of
from shared.uptime.kernel import Measures, measure
from shared.uptime.policy import NoData, Policy, Scope, history_us
from shared.uptime.states import Heard, Polls


class State(StrEnum):
    """What the store is taken to have been."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Segment:
    """Open time of one state, for which one poll speaks: `poll_us` is its instant, None where none does."""

    begin: Border
    end: Border
    state: State
    poll_us: int | None


@dataclass(frozen=True, slots=True)
class SeenPoll:
    """A poll; `counts` unless it was taken while the store was closed and the policy leaves such polls out."""

    at_us: int
    active: bool
    counts: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The window `[start, end)` seen from `as_of`. Spans are cut to it; segments fill them without a gap.

    `measures` are what a report says of this window. The segments add up to it, but for a policy that scales: then they
    are what was measured, before the share was applied.
    """

    spans: Sequence[tuple[int, int]]
    polls: Sequence[SeenPoll]
    segments: Sequence[Segment]
    measures: Measures


def timeline_of(
    zone: str | None,
    hours: Hours,
    polls: Polls,
    as_of_us: int,
    window_us: tuple[int, int],
    policy: Policy,
) -> Timeline:
    """Explain one store, number 0 of `hours` and `polls`, in a window that ends at `as_of_us` at the latest.

    The polls must reach back to `history_us(policy)` before the window. Raises ZoneInfoNotFoundError.
    """
    start_us, end_us = window_us
    first_us = start_us - history_us(policy)
    spans = spans_of([zone], hours, first_us, as_of_us)
    heard = Heard(spans, polls, first_us, as_of_us, 1, policy)
    bounds_us = np.array([[start_us]], dtype=np.int64), np.array([[end_us]], dtype=np.int64)
    cut = [
        (max(open_us, start_us), min(close_us, end_us))
        for open_us, close_us in zip(spans.open_us.tolist(), spans.close_us.tolist(), strict=True)
        if max(open_us, start_us) < min(close_us, end_us)
    ]
    spoken = list(_spoken(heard, spans, as_of_us, policy))
    segments = [
        segment
        for span in cut
        for segment in _filled(span, spoken, window_us, as_of_us, is_down=policy.no_data is NoData.DOWN)
    ]
    return Timeline(
        cut,
        list(_seen(heard, polls, segments, window_us, first_us, as_of_us, policy)),
        segments,
        measure(spans, polls, as_of_us, bounds_us, policy),
    )


def _spoken(heard: Heard, spans: Spans, as_of_us: int, policy: Policy) -> Iterator[Segment]:
    """The kernel's states with the rules of their borders."""
    borders, states = Borders(heard, spans, as_of_us, policy), heard.states()
    polls, _ = heard.speakers
    columns = (states.begin_us, states.end_us, states.active, states.poll, polls.at_us[states.poll])
    for begin_us, end_us, active, poll, poll_us in zip(*(c.tolist() for c in columns), strict=True):
        state = State.UP if active else State.DOWN
        yield Segment(borders.begin(poll, begin_us), borders.end(poll, end_us), state, poll_us)


def _filled(
    span: tuple[int, int],
    spoken: Sequence[Segment],
    window_us: tuple[int, int],
    as_of_us: int,
    *,
    is_down: bool,
) -> Iterator[Segment]:
    """The segments of one cut span, with what lies between them."""
    open_us, close_us = span
    silent = State.DOWN if is_down else State.UNKNOWN
    reached = Border(open_us, Rule.WINDOW if open_us == window_us[0] else Rule.EDGE)
    for segment in spoken:
        begin_us, end_us = max(segment.begin.at_us, open_us), min(segment.end.at_us, close_us)
        if begin_us >= end_us:
            continue
        if reached.at_us < begin_us:
            yield Segment(reached, segment.begin, silent, None)
            reached = segment.begin
        # Neighbours share one border, so that both name the same rule for it.
        end = segment.end if segment.end.at_us <= close_us else _last(close_us, window_us, as_of_us)
        yield Segment(reached, end, segment.state, segment.poll_us)
        reached = end
    if reached.at_us < close_us:
        yield Segment(reached, _last(close_us, window_us, as_of_us), silent, None)


def _last(close_us: int, window_us: tuple[int, int], as_of_us: int) -> Border:
    if close_us < window_us[1]:
        return Border(close_us, Rule.EDGE)
    return Border(close_us, Rule.AS_OF if close_us == as_of_us else Rule.WINDOW)


def _seen(
    heard: Heard,
    polls: Polls,
    segments: Sequence[Segment],
    window_us: tuple[int, int],
    first_us: int,
    as_of_us: int,
    policy: Policy,
) -> Iterator[SeenPoll]:
    """The polls of the window, and those outside it that speak in it; of several at one instant the last delivered."""
    counted = set(heard.counted[0].at_us.tolist())
    speaking = {segment.poll_us for segment in segments}
    delivered = dict(zip(polls.at_us.tolist(), polls.active.tolist(), strict=True))
    for at_us, active in sorted(delivered.items()):
        is_shown = window_us[0] <= at_us <= window_us[1] or at_us in speaking
        if is_shown and first_us <= at_us <= as_of_us:
            yield SeenPoll(at_us, active, counts=policy.scope is Scope.ALL or at_us in counted)
