"""Turn polls into states: which polls count, and which time each of them covers.

Applies a policy's fill, horizon, slot and edges. Must not know windows or totals.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from shared.uptime.calendar import Spans
from shared.uptime.intervals import Bools, Int64s, Line, expand_ranges, intersect_intervals
from shared.uptime.policy import Edges, Fill, Policy, certain_us, reach_us


@dataclass(frozen=True, slots=True)
class Polls:
    """The polls of a batch, one element per poll, in any order; `store` is the index into the batch.

    If a store has several polls at one instant, only the last one in the arrays counts: the one that came last.
    `event` marks those that report the change itself, and `reason` has the numbers of their reasons; None if no poll has
    one. Only `PollHistory` knows both.
    """

    store: Int64s
    at_us: Int64s
    active: Bools
    event: Bools | None = None
    reason: Int64s | None = None

    def pick(self, poll: Int64s) -> Self:
        """Return the polls with these indexes."""
        event = None if self.event is None else self.event[poll]
        reason = None if self.reason is None else self.reason[poll]
        return type(self)(self.store[poll], self.at_us[poll], self.active[poll], event, reason)


@dataclass(frozen=True, slots=True)
class States:
    """Disjoint stretches `[begin_us, end_us)` inside spans, sorted by (store, begin_us), and the state in each.

    Open time outside of them is unknown. `poll` is the index of the poll that decides the state. In a joined stretch it is
    the first of several consecutive polls, and `last_poll` the last.
    """

    store: Int64s
    begin_us: Int64s
    end_us: Int64s
    active: Bools
    poll: Int64s
    last_poll: Int64s

    def pick(self, which: Int64s) -> Self:
        """Return the stretches with these indexes."""
        return type(self)(*(getattr(self, field.name)[which] for field in fields(self)))


def in_order(polls: Polls, line: Line, as_of_us: int) -> tuple[Polls, Int64s]:
    """Return the polls from the line's origin to `as_of_us` (inclusive) by (store, at_us), one per instant, and their places."""
    store, at_us, active = polls.store, polls.at_us, polls.active
    if len(at_us) and not line.origin_us <= at_us.min() <= at_us.max() <= as_of_us:
        within = np.flatnonzero((at_us >= line.origin_us) & (at_us <= as_of_us))
        store, at_us, active = store[within], at_us[within], active[within]
    place = line.place(store, at_us)
    if (place[1:] > place[:-1]).all():
        return Polls(store, at_us, active), place
    order = np.argsort(place, kind="stable")
    latest = np.ones(len(order), dtype=np.bool_)
    latest[:-1] = np.diff(place[order]) > 0
    kept = order[latest]
    return Polls(store[kept], at_us[kept], active[kept]), place[kept]


def polls_inside_spans(
    polls: Polls, place: Int64s, opens: Int64s, closes: Int64s
) -> tuple[Polls, Int64s, Int64s]:
    """Return the polls taken while their store is open, and the indexes of each one's span and of itself.

    `polls` are in order. All places are on one line: those of the polls, and where the spans open and close.
    """
    first = np.searchsorted(place, opens)
    span, poll = expand_ranges(first, np.searchsorted(place, closes) - first)
    return polls.pick(poll), span, poll


def are_linked(group: Int64s, earlier_us: Int64s, later_us: Int64s, longest_us: int) -> Bools:
    """Return for each pair of consecutive polls whether they share a group and are at most `longest_us` apart.

    `group` has one element per poll, the arrays of instants one per pair. With `reach_us` the result says which pairs
    have a break between them. After a longer gap the later poll is a first poll again, so no result depends on polls
    older than `history_us`. With `certain_us` it says which pairs count for the bounds.
    """
    together: Bools = (group[1:] == group[:-1]) & (later_us - earlier_us <= longest_us)
    return together


def are_sure(counted: Polls, span: Int64s, policy: Policy) -> Bools:
    """Return for each pair of consecutive polls whether the time between them is certain to have the earlier one's state.

    `span` has the index of each poll's span. Two polls that agree are certain up to `certain_us`, a poll and a following
    event as long as the poll speaks.
    """
    earlier_us, later_us = counted.at_us[:-1], counted.at_us[1:]
    agree: Bools = counted.active[:-1] == counted.active[1:]
    agree &= are_linked(span, earlier_us, later_us, certain_us(policy))
    if counted.event is None:
        return agree
    return np.where(counted.event[1:], are_linked(span, earlier_us, later_us, policy.horizon_us), agree)


def span_states(
    counted: Polls, span: Int64s, spans: Spans, as_of_us: int, policy: Policy, *, joined: bool = False
) -> States:
    """Scope span: return the states that polls inside spans imply for their own span, up to `as_of_us`."""
    return _group_states(
        counted, span, spans.open_us, np.minimum(spans.close_us, as_of_us), policy, joined=joined
    )


def carried_states(
    polls: Polls, spans: Spans, line: Line, as_of_us: int, policy: Policy, *, joined: bool = False
) -> States:
    """Scope all: return the states that all polls, also those taken while closed, imply for the spans up to `as_of_us`."""
    stores = int(polls.store[-1]) + 1 if len(polls.store) else 0
    first_us, last_us = np.full(stores, line.origin_us), np.full(stores, as_of_us)
    held = _group_states(polls, polls.store, first_us, last_us, policy, joined=joined)
    index, begin, end = intersect_intervals(
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
        held.last_poll[index],
    )


def _group_states(
    polls: Polls, group: Int64s, opens_us: Int64s, closes_us: Int64s, policy: Policy, *, joined: bool
) -> States:
    """Return the time that each poll covers within the bounds of its group, without empty stretches.

    With `joined`, a poll and the following near polls of its group with the same state make one stretch.
    """
    first = last = np.arange(len(group))
    if joined and len(group):
        # So near that each covers the time until the next, wherever the policy puts the break and rounds it to.
        near_us = policy.horizon_us - policy.slot_us
        starts = (group[1:] != group[:-1]) | np.diff(polls.active) | (np.diff(polls.at_us) > near_us)
        if polls.reason is not None:
            starts |= polls.reason[1:] != polls.reason[:-1]
        first = np.flatnonzero(np.concatenate(([True], starts)))
        last = np.append(first[1:] - 1, len(group) - 1)
    store, active, group = polls.store[first], polls.active[first], group[first]
    first_us, last_us = polls.at_us[first], polls.at_us[last]
    together = are_linked(group, last_us[:-1], first_us[1:], reach_us(policy))
    breaks_us = slot_after(breaks_before(polls, first[1:], policy.fill), policy.slot_us)
    close_us = closes_us[group]
    begin_us = _earliest_us(first_us, opens_us[group], policy)
    if polls.event is not None:
        # Before the change the state was another.
        begin_us = np.where(polls.event[first], first_us, begin_us)
    end_us = slot_after(last_us, policy.slot_us) if policy.edges is Edges.DOWN_AFTER_LAST else close_us.copy()
    begin_us[1:] = np.where(together, breaks_us, begin_us[1:])
    end_us[:-1] = np.where(together, breaks_us, end_us[:-1])
    begin_us = np.maximum(begin_us, first_us - policy.horizon_us)
    end_us = np.minimum(np.minimum(end_us, last_us + policy.horizon_us), close_us)
    known = np.flatnonzero(begin_us < end_us)
    return States(store[known], begin_us[known], end_us[known], active[known], first[known], last[known])


def _earliest_us(first_us: Int64s, open_us: Int64s, policy: Policy) -> Int64s:
    """Return how far back a first poll reaches: to the opening, or not at all."""
    if policy.edges is Edges.NONE:
        return first_us.copy()
    if policy.fill is Fill.PREVIOUS:
        return np.where(first_us - open_us <= policy.horizon_us, open_us, first_us)
    return open_us


def breaks_before(polls: Polls, poll: Int64s, fill: Fill) -> Int64s:
    """Return the break between each poll, given by its index, and the one before it, before rounding.

    The polls are in order. An event is the break, wherever the policy puts the others.
    """
    later_us = polls.at_us[poll]
    breaks_us = break_instants(polls.at_us[poll - 1], later_us, fill)
    return breaks_us if polls.event is None else np.where(polls.event[poll], later_us, breaks_us)


def break_instants(earlier_us: Int64s, later_us: Int64s, fill: Fill) -> Int64s:
    """Return the break between each poll and the next one, if that is a look, before rounding."""
    match fill:
        case Fill.NEAREST:
            return earlier_us + (later_us - earlier_us) // 2
        case Fill.PREVIOUS:
            return later_us
        case Fill.NEXT:
            return earlier_us


def slot_after(at_us: Int64s, slot_us: int) -> Int64s:
    """Round up to the next multiple of the slot since the epoch."""
    return at_us + (-at_us % slot_us if slot_us else 0)
