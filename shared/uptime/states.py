"""Polls to state: which polls count, and for which time each of them speaks.

Applies a policy's fill, horizon, slot and edges; knows no windows and no totals.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Heard:
    """What the polls of a batch say.

    `counted`: those inside spans, in order; `span`: the index of the span of each. `states` point into `speakers`, which
    are the counted polls, or all of them where the policy lets those speak that were taken while closed.
    """

    line: Line
    counted: Polls
    span: Int64s
    speakers: Polls
    states: States


def hear(spans: Spans, polls: Polls, first_us: int, as_of_us: int, stores: int, policy: Policy) -> Heard:
    """Apply the policy to the polls from `first_us` to `as_of_us`, both included, of so many stores."""
    line = Line.covering(first_us, as_of_us, stores)
    polls = in_order(polls, line, as_of_us)
    counted, span = inside(polls, spans, line)
    if policy.scope is Scope.ALL:
        return Heard(line, counted, span, polls, carried(polls, spans, line, as_of_us, policy))
    return Heard(line, counted, span, counted, spoken(counted, span, spans, as_of_us, policy))


def in_order(polls: Polls, line: Line, as_of_us: int) -> Polls:
    """The polls from the line's origin to `as_of_us`, both included, by (store, at_us), one an instant."""
    store = polls.store.astype(np.int64, copy=False)
    place = line.place(store, polls.at_us)
    kept = np.flatnonzero((polls.at_us >= line.origin_us) & (polls.at_us <= as_of_us))
    place = place[kept]
    if np.any(place[1:] < place[:-1]):
        order = np.argsort(place, kind="stable")
        kept, place = kept[order], place[order]
    latest = np.ones(len(place), dtype=np.bool_)
    latest[:-1] = place[1:] != place[:-1]
    kept = kept[latest]
    return Polls(store[kept], polls.at_us[kept], polls.active[kept])


def inside(polls: Polls, spans: Spans, line: Line) -> tuple[Polls, Int64s]:
    """Of polls in order those taken while their store is open, and the index of the span of each."""
    place = line.place(polls.store, polls.at_us)
    first = np.searchsorted(place, line.place(spans.store, spans.open_us))
    count = np.searchsorted(place, line.place(spans.store, spans.close_us)) - first
    span, poll = expand(first, count)
    return Polls(polls.store[poll], polls.at_us[poll], polls.active[poll]), span


def linked(group: Int64s, at_us: Int64s, policy: Policy) -> Bools:
    """Whether each poll but the first and the one before it share a group and a gap that both can close.

    Two polls farther apart than that are as good as strangers: the later one is a first poll again. So no result
    depends on polls older than `history_us`.
    """
    together: Bools = (group[1:] == group[:-1]) & (at_us[1:] - at_us[:-1] <= reach_us(policy))
    return together


def spoken(counted: Polls, span: Int64s, spans: Spans, as_of_us: int, policy: Policy) -> States:
    """Scope span: what the polls inside spans say about their own span up to `as_of_us`."""
    close_us = np.minimum(spans.close_us, as_of_us)[span]
    return _speech(counted, span, spans.open_us[span], close_us, policy)


def carried(polls: Polls, spans: Spans, line: Line, as_of_us: int, policy: Policy) -> States:
    """Scope all: what the polls in order, also those taken while closed, say about the spans up to `as_of_us`."""
    first_us, last_us = np.full_like(polls.at_us, line.origin_us), np.full_like(polls.at_us, as_of_us)
    held = _speech(polls, polls.store, first_us, last_us, policy)
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


def _speech(polls: Polls, group: Int64s, open_us: Int64s, close_us: Int64s, policy: Policy) -> States:
    """From when to when each poll speaks, given its group and what bounds it; only where that is any time."""
    at_us = polls.at_us
    breaks_us = slot_after(breaks(at_us, policy.fill), policy.slot_us)
    together = linked(group, at_us, policy)
    begin_us = at_us.copy() if policy.edges is Edges.NONE else open_us.copy()
    end_us = slot_after(at_us, policy.slot_us) if policy.edges is Edges.DOWN_AFTER_LAST else close_us.copy()
    begin_us[1:] = np.where(together, breaks_us, begin_us[1:])
    end_us[:-1] = np.where(together, breaks_us, end_us[:-1])
    begin_us = np.maximum(begin_us, at_us - policy.horizon_us)
    end_us = np.minimum(np.minimum(end_us, at_us + policy.horizon_us), close_us)
    known = np.flatnonzero(begin_us < end_us)
    return States(polls.store[known], begin_us[known], end_us[known], polls.active[known], known)


def breaks(at_us: Int64s, fill: Fill) -> Int64s:
    """The break between each poll and the next, before it is rounded."""
    earlier, later = at_us[:-1], at_us[1:]
    match fill:
        case Fill.NEAREST:
            return earlier + (later - earlier) // 2
        case Fill.PREVIOUS:
            return later
        case Fill.NEXT:
            return earlier


def slot_after(at_us: Int64s, slot_us: int) -> Int64s:
    """Rounded up to the next multiple of the slot since the epoch."""
    return at_us + -at_us % slot_us if slot_us else at_us
