"""Polls to state: which polls count, and for which time each of them speaks.

Applies a policy's fill, horizon, slot and edges; knows no windows and no totals.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.uptime.calendar import Spans
from shared.uptime.intervals import Bools, Int64s, Line, expand, intersect
from shared.uptime.policy import Edges, Fill, Policy, Scope, reach_us


@dataclass(frozen=True, slots=True)
class Polls:
    """Observations of a batch, one element a poll, in any order; `store` is the index into the batch.

    Of several polls of one store at one instant only the last one in the arrays counts: the latest delivery.
    """

    store: Int64s
    at_us: Int64s
    active: Bools


@dataclass(frozen=True, slots=True)
class States:
    """Disjoint stretches `[begin_us, end_us)` inside spans, sorted by (store, begin_us), and the state in each.

    Open time outside of them is unknown. `poll` is the index of the poll that speaks.
    """

    store: Int64s
    begin_us: Int64s
    end_us: Int64s
    active: Bools
    poll: Int64s


class Heard:
    """The polls of a batch from `first_us` to `as_of_us`, both included, of so many stores, and what they say."""

    def __init__(
        self, spans: Spans, polls: Polls, first_us: int, as_of_us: int, stores: int, policy: Policy
    ) -> None:
        self.line = Line.covering(first_us, as_of_us, stores)
        self._spans, self._as_of_us, self._policy = spans, as_of_us, policy
        self._polls, self._place = in_order(polls, self.line, as_of_us)

    @cached_property
    def counted(self) -> tuple[Polls, Int64s]:
        """The polls inside spans, in order, and the index of the span of each."""
        return inside(self._polls, self._place, self._spans, self.line)

    @property
    def speakers(self) -> tuple[Polls, Int64s]:
        """The polls that speak, and what they speak about: each its span, or its store where they also speak while closed."""
        return (self._polls, self._polls.store) if self._policy.scope is Scope.ALL else self.counted

    def states(self, *, joined: bool = False) -> States:
        """What they say; with `joined`, most states of one store that touch and agree are one, of the first one's poll."""
        polls, group = self.speakers
        if self._policy.scope is Scope.ALL:
            return carried(polls, self._spans, self.line, self._as_of_us, self._policy, joined=joined)
        return spoken(polls, group, self._spans, self._as_of_us, self._policy, joined=joined)


def in_order(polls: Polls, line: Line, as_of_us: int) -> tuple[Polls, Int64s]:
    """The polls from the line's origin to `as_of_us`, both included, by (store, at_us), one an instant; and their places."""
    store, at_us, active = polls.store, polls.at_us, polls.active
    if len(at_us) and not line.origin_us <= at_us.min() <= at_us.max() <= as_of_us:
        heard = np.flatnonzero((at_us >= line.origin_us) & (at_us <= as_of_us))
        store, at_us, active = store[heard], at_us[heard], active[heard]
    place = line.place(store, at_us)
    if (place[1:] > place[:-1]).all():
        return Polls(store, at_us, active), place
    order = np.argsort(place, kind="stable")
    latest = np.ones(len(order), dtype=np.bool_)
    latest[:-1] = np.diff(place[order]) > 0
    kept = order[latest]
    return Polls(store[kept], at_us[kept], active[kept]), place[kept]


def inside(polls: Polls, place: Int64s, spans: Spans, line: Line) -> tuple[Polls, Int64s]:
    """Of polls in order, at these places, those taken while their store is open, and the index of the span of each."""
    first = np.searchsorted(place, line.place(spans.store, spans.open_us))
    count = np.searchsorted(place, line.place(spans.store, spans.close_us)) - first
    span, poll = expand(first, count)
    return Polls(polls.store[poll], polls.at_us[poll], polls.active[poll]), span


def linked(group: Int64s, earlier_us: Int64s, later_us: Int64s, longest_us: int) -> Bools:
    """Return whether each two consecutive polls share a group and are at most `longest_us` apart.

    `group` has one element a poll, the two arrays of instants one element a pair. With `reach_us` the result says which
    pairs have a break between them; after a longer gap the later poll is a first poll again, so no result depends on polls
    older than `history_us`. With `certain_us` it says which pairs count for the bounds.
    """
    together: Bools = (group[1:] == group[:-1]) & (later_us - earlier_us <= longest_us)
    return together


def spoken(
    counted: Polls, span: Int64s, spans: Spans, as_of_us: int, policy: Policy, *, joined: bool = False
) -> States:
    """Scope span: what the polls inside spans say about their own span up to `as_of_us`."""
    return _speech(counted, span, spans.open_us, np.minimum(spans.close_us, as_of_us), policy, joined=joined)


def carried(
    polls: Polls, spans: Spans, line: Line, as_of_us: int, policy: Policy, *, joined: bool = False
) -> States:
    """Scope all: what the polls in order, also those taken while closed, say about the spans up to `as_of_us`."""
    stores = int(polls.store[-1]) + 1 if len(polls.store) else 0
    first_us, last_us = np.full(stores, line.origin_us), np.full(stores, as_of_us)
    held = _speech(polls, polls.store, first_us, last_us, policy, joined=joined)
    index, begin, end = intersect(
        line.place(spans.store, spans.open_us),
        line.place(spans.store, spans.close_us),
        line.place(held.store, held.begin_us),
        line.place(held.store, held.end_us),
    )
    store = held.store[index]
    return States(
        store,
        line.instant_us(store, begin),
        line.instant_us(store, end),
        held.active[index],
        held.poll[index],
    )


def _speech(
    polls: Polls, group: Int64s, opens_us: Int64s, closes_us: Int64s, policy: Policy, *, joined: bool
) -> States:
    """From when to when each poll speaks, given its group and what bounds each group; only where that is any time.

    With `joined` one poll, and the next ones of its group that agree with it and are near, speak together.
    """
    first = last = np.arange(len(group))
    if joined and len(group):
        # So near that each speaks until the next one does, wherever the policy has the break, and rounds it to.
        near_us = policy.horizon_us - policy.slot_us
        starts = (group[1:] != group[:-1]) | np.diff(polls.active) | (np.diff(polls.at_us) > near_us)
        first = np.flatnonzero(np.concatenate(([True], starts)))
        last = np.append(first[1:] - 1, len(group) - 1)
    store, active, group = polls.store[first], polls.active[first], group[first]
    first_us, last_us = polls.at_us[first], polls.at_us[last]
    together = linked(group, last_us[:-1], first_us[1:], reach_us(policy))
    breaks_us = slot_after(breaks(last_us[:-1], first_us[1:], policy.fill), policy.slot_us)
    close_us = closes_us[group]
    begin_us = _earliest_us(first_us, opens_us[group], policy)
    end_us = slot_after(last_us, policy.slot_us) if policy.edges is Edges.DOWN_AFTER_LAST else close_us.copy()
    begin_us[1:] = np.where(together, breaks_us, begin_us[1:])
    end_us[:-1] = np.where(together, breaks_us, end_us[:-1])
    begin_us = np.maximum(begin_us, first_us - policy.horizon_us)
    end_us = np.minimum(np.minimum(end_us, last_us + policy.horizon_us), close_us)
    known = np.flatnonzero(begin_us < end_us)
    return States(store[known], begin_us[known], end_us[known], active[known], first[known])


def _earliest_us(first_us: Int64s, open_us: Int64s, policy: Policy) -> Int64s:
    """Return how far back a first poll may speak: to the opening, or not at all."""
    if policy.edges is Edges.NONE:
        return first_us.copy()
    if policy.fill is Fill.PREVIOUS:
        return np.where(first_us - open_us <= policy.horizon_us, open_us, first_us)
    return open_us


def breaks(earlier_us: Int64s, later_us: Int64s, fill: Fill) -> Int64s:
    """The break between each poll and the next, before it is rounded."""
    match fill:
        case Fill.NEAREST:
            return earlier_us + (later_us - earlier_us) // 2
        case Fill.PREVIOUS:
            return later_us
        case Fill.NEXT:
            return earlier_us


def slot_after(at_us: Int64s, slot_us: int) -> Int64s:
    """Rounded up to the next multiple of the slot since the epoch."""
    return at_us + (-at_us % slot_us if slot_us else 0)
