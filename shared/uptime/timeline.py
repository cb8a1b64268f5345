"""Explain one store in one window: its spans, its polls, its states and the rule behind each border.

States and totals come from the kernel; this module only names them. Must not know the database.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

import numpy as np

from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.borders import Border, Borders, Rule, SpanEdges
from shared.uptime.closures import Treatment
from shared.uptime.kernel import Measures, measure
from shared.uptime.notes import NO_REASON
from shared.uptime.pieces import Piece, cut_to_window, edges_of, joined, pieces_of
from shared.uptime.policy import NoData, Policy, Scope, history_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import Polls
from shared.uptime.store_terms import StoreClosure, StoreTerms


class State(StrEnum):
    """The state that the accounting assigns to a store. Only an explanation shows `closed`."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    EXCLUDED = "excluded"
    AS_UP = "as_up"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StateSegment:
    """Scheduled time in one state. `poll_us` is the instant of the poll that decides it, None if no poll does.

    `closure` is the one that excludes the time or counts it as up. `carried` is true if the poll was taken before the
    opening, or before a closure. `reason` is the number of the poll's reason; time is also excluded if that is.
    """

    begin: Border
    end: Border
    state: State
    poll_us: int | None
    closure: StoreClosure | None = None
    carried: bool = False
    reason: int = NO_REASON


@dataclass(frozen=True, slots=True)
class SeenPoll:
    """A poll. `counts` is false if it was taken outside measured time and the policy ignores such polls.

    A poll whose reason is excluded does not count either.
    """

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

    @property
    def has_counted(self) -> bool:
        """Whether any poll counts."""
        return any(poll.counts for poll in self.polls)

    def count_outside(self, window_us: tuple[int, int]) -> int:
        """Return how many polls of the window do not count because the store was closed."""
        start_us, end_us = window_us
        opens = [open_us for open_us, _ in self.spans]

        def is_closed(at_us: int) -> bool:
            span = bisect_right(opens, at_us) - 1
            return span < 0 or self.spans[span][1] <= at_us

        return sum(
            not poll.counts and start_us <= poll.at_us < end_us and is_closed(poll.at_us)
            for poll in self.polls
        )


def timeline_of(
    store: StoreTerms, polls: Polls, as_of_us: int, window_us: tuple[int, int], policy: Policy
) -> StoreTimeline:
    """Explain one store, number 0 of `polls`, in a window that ends no later than `as_of_us`.

    The polls must reach back to `history_us(policy)` before the window. Raises ZoneInfoNotFoundError.
    """
    start_us, end_us = window_us
    first_us = start_us - history_us(policy)
    schedule = adjusted_schedule([store.zone], store.hours, store.adjustments, first_us, as_of_us)
    history = PollHistory(schedule, polls, first_us, as_of_us, 1, policy)
    pieces = pieces_of(schedule, store.closures)
    cut, edges = cut_to_window(pieces, window_us), edges_of(pieces, store)
    fill = _Fill(
        list(_name_borders(history, edges, as_of_us, policy)),
        edges,
        window_us,
        as_of_us,
        State.DOWN if policy.no_data is NoData.DOWN else State.UNKNOWN,
    )
    segments = [segment for piece in cut for segment in fill.piece(piece)]
    seen = history.ordered[0] if policy.scope is Scope.ALL else history.counted[0]
    counted = set(seen.at_us[~history.is_excluded(seen)].tolist())
    bounds_us = np.array([[start_us]], dtype=np.int64), np.array([[end_us]], dtype=np.int64)
    return StoreTimeline(
        joined(cut),
        list(_window_polls(counted, polls, segments, window_us, (first_us, as_of_us))),
        segments,
        measure(schedule, polls, as_of_us, bounds_us, policy),
    )


def _name_borders(
    history: PollHistory, edges: SpanEdges, as_of_us: int, policy: Policy
) -> Iterator[StateSegment]:
    """Yield the kernel's states with the rules of their borders."""
    borders, states = Borders(history, edges, as_of_us, policy), history.spoken()
    polls, _ = history.deciding
    opens = sorted(edges.opens)
    reason = np.full(len(polls.at_us), NO_REASON) if polls.reason is None else polls.reason
    of_poll = (polls.at_us, reason, history.is_excluded(polls))
    columns = (states.begin_us, states.end_us, states.active, states.poll, *(c[states.poll] for c in of_poll))
    for begin_us, end_us, active, poll, poll_us, number, excluded in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        state = State.UP if active else State.DOWN
        yield StateSegment(
            borders.begin_border(poll, begin_us),
            borders.end_border(poll, end_us),
            State.EXCLUDED if excluded else state,
            poll_us,
            carried=poll_us < opens[bisect_right(opens, begin_us) - 1],
            reason=number,
        )


@dataclass(frozen=True, slots=True)
class _Fill:
    """What fills the pieces of a window: the named states in order, and the state of time without any."""

    states: Sequence[StateSegment]
    edges: SpanEdges
    window_us: tuple[int, int]
    as_of_us: int
    silent: State

    def piece(self, piece: Piece) -> Iterator[StateSegment]:
        """Yield the segments of a piece that was cut to the window."""
        if piece.closure is not None:
            state = State.EXCLUDED if piece.closure.treatment is Treatment.EXCLUDE else State.AS_UP
            begin, end = self._begin(piece.begin_us), self._end(piece.end_us)
            yield StateSegment(begin, end, state, None, piece.closure)
            return
        open_us, close_us = piece.begin_us, piece.end_us
        reached = self._begin(open_us)
        first = bisect_right(self.states, open_us, key=lambda state: state.end.at_us)
        for segment in islice(self.states, first, None):
            if segment.begin.at_us >= close_us:
                break
            if reached.at_us < segment.begin.at_us:
                yield StateSegment(reached, segment.begin, self.silent, None)
                reached = segment.begin
            # Neighbours share one border, so that both name the same rule for it.
            end = segment.end if segment.end.at_us <= close_us else self._end(close_us)
            yield replace(segment, begin=reached, end=end)
            reached = end
        if reached.at_us < close_us:
            yield StateSegment(reached, self._end(close_us), self.silent, None)

    def _begin(self, at_us: int) -> Border:
        return Border(at_us, Rule.WINDOW if at_us == self.window_us[0] else self.edges.opens[at_us])

    def _end(self, at_us: int) -> Border:
        if at_us < self.window_us[1]:
            return Border(at_us, self.edges.closes[at_us])
        return Border(at_us, Rule.AS_OF if at_us == self.as_of_us else Rule.WINDOW)


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
