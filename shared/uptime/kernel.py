"""Turn states into numbers: the times of a batch of stores in each window, in exact integer microseconds.

Works on arrays only. Must not know time zones, hours rows, the database or rendering.
"""

from dataclasses import dataclass

import numpy as np

from shared.uptime.closures import Schedule
from shared.uptime.intervals import Int64s, elapsed_before, intersect_intervals
from shared.uptime.policy import NoData, Policy, history_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import Polls, States, are_sure

__all__ = ["Measures", "Polls", "measure", "measure_states"]


@dataclass(frozen=True, slots=True)
class Measures:
    """Numbers in shape (stores, windows). `open_us = up_us + down_us + unknown_us` exactly."""

    excluded_us: Int64s
    open_us: Int64s
    up_us: Int64s
    down_us: Int64s
    unknown_us: Int64s
    up_min_us: Int64s
    up_max_us: Int64s
    polls: Int64s

    @property
    def scheduled_us(self) -> Int64s:
        """Open and excluded time."""
        return self.open_us + self.excluded_us


def measure(
    schedule: Schedule,
    polls: Polls,
    as_of_us: int,
    windows_us: tuple[Int64s, Int64s],
    policy: Policy,
    *,
    detail: bool = True,
) -> Measures:
    """Measure every store in its own windows `[start, end)`, given as two arrays of shape (stores, windows).

    `schedule` and `polls` must reach back to `history_us(policy)` before the earliest start. Nothing after `as_of_us`
    counts. Without `detail` the bounds of the uptime are the trivial ones (nothing, and all open time), and no polls
    are counted. Time that counts as up is certain. A poll at a window's end is counted in `polls` only if the window
    ends at `as_of_us`.
    """
    starts_us, _ = windows_us
    first_us = int(starts_us.min(initial=as_of_us)) - history_us(policy)
    history = PollHistory(schedule, polls, first_us, as_of_us, len(starts_us), policy)
    return measure_states(schedule, history, history.states(joined=True), windows_us, detail=detail)


def measure_states(
    schedule: Schedule,
    history: PollHistory,
    state: States,
    windows_us: tuple[Int64s, Int64s],
    *,
    detail: bool = True,
) -> Measures:
    """Do what `measure` does, from the states that a history implies, joined or not."""
    excluded, as_up = schedule.excluded, schedule.as_up
    line, as_of_us, policy = history.line, history.as_of_us, history.policy
    starts_us, ends_us = windows_us
    store = np.arange(len(starts_us), dtype=np.int64)[:, None]
    borders = line.place(store, np.minimum(windows_us, as_of_us))
    starts, ends = borders

    def between(begin: Int64s, end: Int64s) -> Int64s:
        # Before the starts and before the ends, along the first axis.
        until = elapsed_before(begin, end, borders)
        elapsed_us: Int64s = until[1] - until[0]
        return elapsed_us

    def within(store: Int64s, begin_us: Int64s, end_us: Int64s) -> Int64s:
        return between(line.place(store, begin_us), line.place(store, end_us))

    up_us, down_us = (
        within(state.store[chosen], state.begin_us[chosen], state.end_us[chosen])
        for chosen in (np.flatnonzero(state.active), np.flatnonzero(~state.active))
    )
    open_us = between(*history.measured_places)
    up_us, down_us = _apply_no_data(open_us, up_us, down_us, policy.no_data)

    sure_up_us = sure_down_us = polls_within = excluded_us = np.zeros_like(open_us)
    if detail:
        counted, span = history.counted
        place = line.place(counted.store, counted.at_us)
        sure = are_sure(counted, span, policy)
        sure_up_us, sure_down_us = (
            between(*_still_measured(history, place[:-1][chosen], place[1:][chosen]))
            for chosen in (
                np.flatnonzero(sure & counted.active[:-1]),
                np.flatnonzero(sure & ~counted.active[:-1]),
            )
        )
        # Also polls that speak for no time, such as one at the very end.
        if (left_out := history.is_excluded(counted)).any():
            place = place[~left_out]
        polls_until = np.searchsorted(place, ends + (ends_us >= as_of_us))
        polls_within = polls_until - np.searchsorted(place, starts)
    if len(as_up.store):
        as_up_us = within(as_up.store, as_up.open_us, as_up.close_us)
        open_us, up_us, sure_up_us = open_us + as_up_us, up_us + as_up_us, sure_up_us + as_up_us
    for spans in (excluded, history.left_out):
        if len(spans.store):
            excluded_us = excluded_us + within(spans.store, spans.open_us, spans.close_us)
    return Measures(
        excluded_us=excluded_us,
        open_us=open_us,
        up_us=up_us,
        down_us=down_us,
        unknown_us=open_us - up_us - down_us,
        up_min_us=sure_up_us,
        up_max_us=open_us - sure_down_us,
        polls=polls_within,
    )


def _still_measured(history: PollHistory, begin: Int64s, end: Int64s) -> tuple[Int64s, Int64s]:
    """Return what intervals of the line inside spans have in common with the time that is not left out."""
    if not len(history.left_out.store):
        return begin, end
    _, begin, end = intersect_intervals(begin, end, *history.measured_places)
    return begin, end


def _apply_no_data(open_us: Int64s, up_us: Int64s, down_us: Int64s, no_data: NoData) -> tuple[Int64s, Int64s]:
    """Return up and down time after the policy has decided what unknown time becomes."""
    match no_data:
        case NoData.UNKNOWN:
            return up_us, down_us
        case NoData.DOWN:
            return up_us, open_us - up_us
        case NoData.SCALE:
            # The product of two weeks in microseconds needs 80 bits, so these are Python integers.
            known_us = np.maximum(up_us + down_us, 1)
            scaled_us = (open_us.astype(object) * up_us // known_us).astype(np.int64)
            return scaled_us, open_us - scaled_us
