"""Measured time without gaps: tiles of up, down and unknown time, each with the poll that speaks."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from shared.uptime.calendar import Spans
from shared.uptime.intervals import Bools, Int64s, Line, between, intersect_intervals
from shared.uptime.policy import NoData, Policy
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import States, breaks_before


class TileState(IntEnum):
    """What a store was."""

    UP = 0
    DOWN = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Tiles:
    """Stretches `[begin_us, end_us)` of measured time, sorted by (store, begin_us): those that are down, and their neighbours.

    `state` holds `TileState`s. The polls that speak have the indexes from `poll` to `last_poll`; -1 where none does.
    """

    store: Int64s
    begin_us: Int64s
    end_us: Int64s
    state: Int64s
    poll: Int64s
    last_poll: Int64s


def tiled(history: PollHistory, spoken: States, starts_us: Int64s) -> Tiles:
    """Tile the measured time of each store from its start to `as_of`, but only the tiles where it is down and their neighbours.

    Time that no poll speaks for is down or unknown, as the policy has it. With a policy that scales it is unknown.
    """
    line, silent_state = history.line, _silent_state(history.policy)
    begin_us = np.maximum(spoken.begin_us, starts_us[spoken.store])
    kept = np.flatnonzero(begin_us < spoken.end_us)
    beside = _beside_down(spoken.active[kept], silent_state)
    kept = kept[beside[:-1] | beside[1:]]
    beside = _beside_down(spoken.active[kept], silent_state)
    begin_us, end_us, store = begin_us[kept], spoken.end_us[kept], spoken.store[kept]
    begin = line.place(store, begin_us)
    gap_begin, gap_end = between(begin, line.place(store, end_us))
    gap = np.flatnonzero((gap_begin < gap_end) & beside)
    silent, first, last = _measured_in(history, gap_begin[gap], gap_end[gap], starts_us)
    place = np.searchsorted(begin, first)
    state = np.where(spoken.active[kept], TileState.UP, TileState.DOWN)
    polls = _speaking_polls(history, spoken, kept, begin_us)
    return Tiles(
        np.insert(store, place, silent),
        np.insert(begin_us, place, line.instant_us(silent, first)),
        np.insert(end_us, place, line.instant_us(silent, last)),
        np.insert(state, place, silent_state),
        *(np.insert(poll, place, -1) for poll in polls),
    )


def _beside_down(active: Bools, silent_state: TileState) -> Bools:
    """Return for each gap, before, between and after some stretches, whether the gap or a stretch beside it can be down."""
    beside = np.full(len(active) + 1, silent_state is TileState.DOWN)
    beside[:-1] |= ~active
    beside[1:] |= ~active
    return beside


def _measured_in(
    history: PollHistory, begin: Int64s, end: Int64s, starts_us: Int64s
) -> tuple[Int64s, Int64s, Int64s]:
    """Return the measured time of each store from its start to `as_of` inside intervals of the line: store, begin, end."""
    line, of_span = history.line, history.measured.store
    opens, closes = history.measured_places
    store = np.arange(len(starts_us), dtype=np.int64)
    first = np.maximum(opens, line.place(store, starts_us)[of_span])
    last = np.minimum(closes, line.place(store, np.full_like(starts_us, history.as_of_us))[of_span])
    inside = np.flatnonzero(first < last)
    span, begin, end = intersect_intervals(begin, end, first[inside], last[inside])
    return of_span[inside[span]], begin, end


def _speaking_polls(
    history: PollHistory, spoken: States, kept: Int64s, begin_us: Int64s
) -> tuple[Int64s, Int64s]:
    """Return the first and the last poll that speak in each kept stretch from its `begin_us` on.

    A poll speaks from the break before it to the break after it. In a joined stretch, the first polls may lie before
    the beginning, and the last one at the end.
    """
    first, last = spoken.poll[kept], spoken.last_poll[kept]
    joined = np.flatnonzero(first < last)
    polls, fill = history.deciding[0], history.policy.fill

    def break_after(poll: Int64s) -> Int64s:
        return breaks_before(polls, poll + 1, fill)

    early = joined[break_after(first[joined]) <= begin_us[joined]]
    # The first poll after the beginning, unless the one before it still speaks there.
    after = history.first_after(spoken.store[kept[early]], begin_us[early])
    after = np.clip(after, first[early] + 1, last[early])
    first[early] = np.where(break_after(after - 1) > begin_us[early], after - 1, after)
    last[joined] -= break_after(last[joined] - 1) >= spoken.end_us[kept[joined]]
    return first, last


def measured_before(line: Line, spans: Spans, starts_us: Int64s, lookback_us: int) -> tuple[Int64s, Int64s]:
    """Return the stores with measured time in the `lookback_us` before their start, and the end of the last such time."""
    store = np.arange(len(starts_us), dtype=np.int64)
    start = line.place(store, starts_us)
    # The last span that opens before the start, if it is of the same store.
    span = np.searchsorted(line.place(spans.store, spans.open_us), start) - 1
    found = np.flatnonzero(span >= 0)
    found = found[spans.store[span[found]] == found]
    last_us = np.minimum(spans.close_us[span[found]], starts_us[found])
    recent = last_us > starts_us[found] - lookback_us
    return found[recent], last_us[recent]


def last_state_before(history: PollHistory, spoken: States, starts_us: Int64s, lookback_us: int) -> Int64s:
    """The `TileState` of each store at the end of its last measured time before its start, -1 if that is too long ago."""
    line = history.line
    found, last_us = measured_before(line, history.measured, starts_us, lookback_us)
    state = np.full(len(starts_us), -1, dtype=np.int64)
    state[found] = _silent_state(history.policy)
    last = line.place(found, last_us)
    index = np.searchsorted(line.place(spoken.store, spoken.begin_us), last) - 1
    speaks = np.flatnonzero(index >= 0)
    index, found, last = index[speaks], found[speaks], last[speaks]
    reaches = (spoken.store[index] == found) & (line.place(spoken.store[index], spoken.end_us[index]) >= last)
    state[found[reaches]] = np.where(spoken.active[index[reaches]], TileState.UP, TileState.DOWN)
    return state


def _silent_state(policy: Policy) -> TileState:
    return TileState.DOWN if policy.no_data is NoData.DOWN else TileState.UNKNOWN
