"""Outages: runs of down time that no up and no unknown time interrupts, and the polls that bound them.

Knows measured spans and polls: no hours, no closures, no labels.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from shared.uptime.calendar import Spans
from shared.uptime.closures import Schedule
from shared.uptime.intervals import Bools, Int64s, Line
from shared.uptime.outage_reasons import (
    ReasonText,
    ReasonTimes,
    reasons_of_runs,
    reasons_of_tiles,
    sum_reasons,
)
from shared.uptime.policy import LOOKBACK_US, Policy, outage_history_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import Polls, States
from shared.uptime.tiles import Tiles, TileState, last_state_before, measured_before, tiled

NO_INSTANT: Final = int(np.iinfo(np.int64).min)  # numpy's not-a-time, once the array is viewed as instants


class End(IntEnum):
    """What follows an outage in measured time."""

    UP = TileState.UP
    UNKNOWN = TileState.UNKNOWN
    ONGOING = 3  # nothing follows up to `as_of`


@dataclass(frozen=True, slots=True)
class Outages:
    """The outages that begin before the end of their store's window, sorted by (store, started_us), one element each.

    `down_us` is the down time in the window; the outages of a store add up to its `down_us` in `Measures`, but for a
    policy that scales. The rest is as seen from `as_of`: an outage may end after its window. `end` holds `End`s.
    `polls` counts the inactive polls that speak in the outage, and `reasons` has theirs. An instant that does not exist
    is `NO_INSTANT`.
    """

    store: Int64s
    started_us: Int64s
    ended_us: Int64s
    end: Int64s
    down_us: Int64s
    polls: Int64s
    began_at_opening: Bools
    starts_before_window: Bools
    last_up_poll_us: Int64s
    first_down_poll_us: Int64s
    last_down_poll_us: Int64s
    first_up_poll_us: Int64s
    reasons: ReasonText


def outages_of(
    schedule: Schedule, polls: Polls, as_of_us: int, window_us: tuple[Int64s, Int64s], policy: Policy
) -> Outages:
    """Return the outages of every store in its own window `[start, end)`: two arrays with one element a store.

    The schedule and the polls must reach back to `outage_history_us(policy)` before the earliest start.
    """
    starts_us, ends_us = window_us
    first_us = int(starts_us.min(initial=as_of_us)) - outage_history_us(policy)
    history = PollHistory(schedule, polls, first_us, as_of_us, len(starts_us), policy)
    return find_outages(history, outage_states(history), (starts_us, ends_us))


def quiet_since(spans: Spans, starts_us: Int64s) -> tuple[Int64s, Int64s]:
    """Return the stores whose measured time stops for a while before their start, and when it stops.

    Whether a store was down then takes its last poll before that instant. The poll before the start is a later one.
    """
    if not len(starts_us):
        return starts_us, starts_us
    lo_us = int(starts_us.min()) - 2 * LOOKBACK_US
    line = Line.covering(lo_us, int(starts_us.max()), len(starts_us))
    found, last_us = measured_before(line, spans, starts_us, LOOKBACK_US)
    quiet = last_us < starts_us[found]
    return found[quiet], last_us[quiet]


def without_superseded(spans: Spans, before_us: int) -> Spans:
    """Return the spans without those that close before an instant, except the last of these of each store."""
    superseded = spans.close_us <= before_us
    superseded[:-1] &= superseded[1:] & (spans.store[1:] == spans.store[:-1])
    superseded[-1:] = False
    kept = np.flatnonzero(~superseded)
    return Spans(spans.store[kept], spans.open_us[kept], spans.close_us[kept])


def outage_states(history: PollHistory) -> States:
    """Return the states that `find_outages` takes: joined where the polls that speak in a stretch can be told from it."""
    return history.states(joined=history.has_plain_breaks)


def find_outages(history: PollHistory, spoken: States, window_us: tuple[Int64s, Int64s]) -> Outages:
    """Do what `outages_of` does, from the states that `outage_states` returns. These serve several windows."""
    starts_us, ends_us = window_us
    tiles = tiled(history, spoken, starts_us)
    runs = _Runs(tiles)
    kept = tiles.begin_us[runs.first] < ends_us[tiles.store[runs.first]]
    bounds = runs.bounds(history.deciding[0].at_us)
    first = runs.first[kept]
    store, started_us = tiles.store[first], tiles.begin_us[first]
    is_first = np.flatnonzero(runs.opens_window[kept])
    starts_before = np.zeros(len(store), dtype=np.bool_)
    before = last_state_before(history, spoken, starts_us, LOOKBACK_US)
    starts_before[is_first] = before[store[is_first]] == TileState.DOWN
    return Outages(
        store,
        started_us,
        np.where(runs.end == End.ONGOING, NO_INSTANT, tiles.end_us[runs.last])[kept],
        runs.end[kept],
        runs.down_us(ends_us)[kept],
        bounds.polls[kept],
        _is_opening(history, store, started_us),
        starts_before,
        bounds.last_up_us[kept],
        bounds.first_down_us[kept],
        bounds.last_down_us[kept],
        bounds.first_up_us[kept],
        reasons_of_runs(tiles, history.deciding[0], runs.first)[kept],
    )


def find_downtime(history: PollHistory, spoken: States, window_us: tuple[Int64s, Int64s]) -> Spans:
    """Return the stretches of down time of every store in its own window, from the states that `outage_states` returns.

    Unlike outages they do not reach over time that is closed, or that closures leave out or count as up.
    """
    starts_us, ends_us = window_us
    tiles = tiled(history, spoken, starts_us)
    down = np.flatnonzero((tiles.state == TileState.DOWN) & (tiles.begin_us < ends_us[tiles.store]))
    store, begin_us = tiles.store[down], tiles.begin_us[down]
    end_us = np.minimum(tiles.end_us[down], ends_us[store])
    begins = np.ones(len(down) + 1, dtype=np.bool_)
    begins[1:-1] = (store[1:] != store[:-1]) | (begin_us[1:] != end_us[:-1])
    first = begins[:-1]
    return Spans(store[first], begin_us[first], end_us[begins[1:]])


def find_reason_times(history: PollHistory, spoken: States, window_us: tuple[Int64s, Int64s]) -> ReasonTimes:
    """Return the down time of every store in its own window by reason, from the states that `outage_states` returns."""
    starts_us, ends_us = window_us
    tiles = tiled(history, spoken, starts_us)
    reasons = reasons_of_tiles(tiles, history.deciding[0])
    return sum_reasons(tiles, reasons, _Runs(tiles).first, ends_us)


def _is_opening(history: PollHistory, store: Int64s, at_us: Int64s) -> Bools:
    """Whether each instant is one at which a span of its store opens."""
    (opens, _), place = history.measured_places, history.line.place(store, at_us)
    is_opening: Bools = opens[np.searchsorted(opens, place, side="right") - 1] == place
    return is_opening


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The polls of each run."""

    polls: Int64s
    last_up_us: Int64s
    first_down_us: Int64s
    last_down_us: Int64s
    first_up_us: Int64s


class _Runs:
    """Maximal runs of down tiles of one store: the index of the first and the last tile of each."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        down = tiles.state == TileState.DOWN
        follows = np.zeros(len(down) + 1, dtype=np.bool_)  # whether a tile follows one of the same store
        follows[1:-1] = tiles.store[1:] == tiles.store[:-1]
        joins = np.zeros(len(down) + 1, dtype=np.bool_)
        joins[1:-1] = follows[1:-1] & down[1:] & down[:-1]
        self.first = np.flatnonzero(down & ~joins[:-1])
        self.last = np.flatnonzero(down & ~joins[1:])
        self.opens_window = ~follows[self.first]
        self._has_next = follows[self.last + 1]
        after = np.minimum(self.last + 1, len(down) - 1)
        self.end = np.where(self._has_next, tiles.state[after], End.ONGOING)

    def down_us(self, ends_us: Int64s) -> Int64s:
        """The down time of each run before the end of its store's window."""
        tiles, until_us = self._tiles, ends_us[self._tiles.store]
        inside_us = np.maximum(np.minimum(tiles.end_us, until_us) - tiles.begin_us, 0)
        total_us = np.concatenate(([0], np.cumsum(inside_us)))
        down_us: Int64s = total_us[self.last + 1] - total_us[self.first]
        return down_us

    def bounds(self, at_us: Int64s) -> _Bounds:
        """The polls that bound each run, given the instants of all polls that speak."""
        tiles = self._tiles
        spoken = np.flatnonzero((tiles.state == TileState.DOWN) & (tiles.poll >= 0))
        poll, last_poll = tiles.poll[spoken], tiles.last_poll[spoken]
        from_, to = np.searchsorted(spoken, self.first), np.searchsorted(spoken, self.last, side="right")
        run = np.repeat(np.arange(len(from_)), to - from_)
        # A poll that speaks in several spans (scope all) counts once: its tiles follow each other.
        new = np.ones(len(run), dtype=np.bool_)
        new[1:] = (run[1:] != run[:-1]) | (poll[1:] != poll[:-1])
        return _Bounds(
            np.bincount(run[new], (last_poll - poll + 1)[new], len(from_)).astype(np.int64),
            _taken(at_us, tiles.last_poll, self.first - 1, self._is_up(self.first - 1, ~self.opens_window)),
            _taken(at_us, poll, from_, to > from_),
            _taken(at_us, last_poll, to - 1, to > from_),
            _taken(at_us, tiles.poll, self.last + 1, self._is_up(self.last + 1, self._has_next)),
        )

    def _is_up(self, tile: Int64s, exists: Bools) -> Bools:
        is_up = exists.copy()
        is_up[exists] = self._tiles.state[tile[exists]] == TileState.UP
        return is_up


def _taken(at_us: Int64s, poll: Int64s, index: Int64s, exists: Bools) -> Int64s:
    """The instants of the polls with these indexes, `NO_INSTANT` where there is none."""
    taken_us = np.full(len(index), NO_INSTANT)
    taken_us[exists] = at_us[poll[index[exists]]]
    return taken_us
