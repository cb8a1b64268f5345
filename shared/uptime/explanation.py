"""Account for every instant of one store's window: a timeline with closed time, the hours behind it, and folded runs.

The segments fill the window. They add up to the report's row, as those of the timeline do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from shared.uptime.borders import Border, Rule
from shared.uptime.notes import NO_REASON
from shared.uptime.opening_times import OpeningTimes
from shared.uptime.store_terms import HoursSource, StoreClosure, StoreTerms
from shared.uptime.timeline import State, StateSegment, StoreTimeline


class StateRule(StrEnum):
    """Why the store is in a state."""

    POLL = "poll"  # a poll covers the time
    CARRY = "carry"  # a poll from before the opening, or from before a closure, still holds
    SILENCE = "silence"  # no poll covers the time
    CLOSURE = "closure"  # a closure decides
    REASON = "reason"  # a poll covers the time, and its reason is excluded
    HOURS = "hours"  # the hours leave the store closed
    LIFETIME = "lifetime"  # the store does not exist yet, or no longer


@dataclass(frozen=True, slots=True)
class AccountedSegment:
    """Time in one state, with everything that makes it so.

    `polls_us` are the instants of the polls that decide the state, in order. `hours` opened the store, or left it closed.
    `folded` is the number of segments that were folded into this one, 1 if none were. `reason` is the number of the reason
    that the polls gave.
    """

    begin: Border
    end: Border
    state: State
    rule: StateRule
    polls_us: tuple[int, ...] = ()
    hours: tuple[HoursSource, ...] = ()
    closure: StoreClosure | None = None
    folded: int = 1
    reason: int = NO_REASON


def explain_window(
    store: StoreTerms, timeline: StoreTimeline, window_us: tuple[int, int], as_of_us: int
) -> list[AccountedSegment]:
    """Return segments that fill the window of a timeline from its start to its end."""
    times = OpeningTimes(store, window_us)
    segments: list[AccountedSegment] = []
    reached = Border(window_us[0], Rule.WINDOW)
    for segment in timeline.segments:
        segments += _fill_closed(store, times, reached, segment.begin)
        segments.append(_explain_open(segment, times))
        reached = segment.end
    end = Border(window_us[1], Rule.AS_OF if window_us[1] == as_of_us else Rule.WINDOW)
    return [*segments, *_fill_closed(store, times, reached, end)]


def fold_runs(segments: Sequence[AccountedSegment]) -> list[AccountedSegment]:
    """Fold each run of segments that differ in their polls only into one."""
    runs = groupby(segments, key=lambda one: (one.state, one.rule, one.hours, one.closure, one.reason))
    return [_fold(list(run)) for _, run in runs]


def _fold(run: Sequence[AccountedSegment]) -> AccountedSegment:
    polls_us = tuple(dict.fromkeys(poll_us for one in run for poll_us in one.polls_us))
    return replace(run[0], end=run[-1].end, polls_us=polls_us, folded=len(run))


def _explain_open(segment: StateSegment, times: OpeningTimes) -> AccountedSegment:
    if segment.closure is not None:
        rule = StateRule.CLOSURE
    elif segment.poll_us is None:
        rule = StateRule.SILENCE
    elif segment.state is State.EXCLUDED:
        rule = StateRule.REASON
    else:
        rule = StateRule.CARRY if segment.carried else StateRule.POLL
    return AccountedSegment(
        segment.begin,
        segment.end,
        segment.state,
        rule,
        () if segment.poll_us is None else (segment.poll_us,),
        times.opened_by(segment.begin.at_us, segment.end.at_us),
        segment.closure,
        reason=segment.reason,
    )


def _fill_closed(
    store: StoreTerms, times: OpeningTimes, begin: Border, end: Border
) -> Iterator[AccountedSegment]:
    """Yield the time between two borders, in which the store was closed: outside its lifetime, or by its hours."""
    if begin.at_us >= end.at_us:
        return
    opened_us = begin.at_us if store.opened_us is None else store.opened_us
    closed_us = end.at_us if store.closed_us is None else max(store.closed_us, opened_us)
    opened, closed = (
        Border(min(max(at_us, begin.at_us), end.at_us), Rule.LIFETIME) for at_us in (opened_us, closed_us)
    )
    first = begin if opened.at_us == begin.at_us else opened
    last = end if closed.at_us == end.at_us else closed
    if begin.at_us < opened.at_us:
        until = end if opened.at_us == end.at_us else opened
        yield AccountedSegment(begin, until, State.CLOSED, StateRule.LIFETIME)
    if first.at_us < last.at_us:
        hours = times.closed_by(first.at_us, last.at_us)
        yield AccountedSegment(first, last, State.CLOSED, StateRule.HOURS, hours=hours)
    if closed.at_us < end.at_us:
        since = begin if closed.at_us == begin.at_us else closed
        yield AccountedSegment(since, end, State.CLOSED, StateRule.LIFETIME)
