"""The reasons that polls gave for down time: those of each outage, and the down time of each.

Works on tiles and their runs. Must not know the words.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.uptime.intervals import Int64s
from shared.uptime.notes import NO_REASON
from shared.uptime.states import Polls
from shared.uptime.tiles import Tiles, TileState

# The reasons of an outage: one character each, whose code is the number of the reason.
ReasonText = NDArray[np.str_]
# Numbers of reasons have 13 bits.
_WIDTH: Final = 1 << 13
# More are not listed. The text of 20 words takes as much as the longest id.
MOST_REASONS: Final = 20


@dataclass(frozen=True, slots=True)
class ReasonTimes:
    """The down time of stores in their windows by reason, sorted by (store, reason): one element for each that has any.

    `outages`: in how many outages it lies.
    """

    store: Int64s
    reason: Int64s
    down_us: Int64s
    outages: Int64s


def reasons_of_tiles(tiles: Tiles, polls: Polls) -> Int64s:
    """Return the number of the reason behind each tile. The polls are those whose indexes the tiles have."""
    if polls.reason is None or not len(polls.reason):
        return np.zeros_like(tiles.poll)
    return np.where(tiles.poll < 0, NO_REASON, polls.reason[tiles.poll])


def reasons_of_runs(tiles: Tiles, polls: Polls, first: Int64s) -> ReasonText:
    """Return the first different reasons of each run of down tiles, as they appear. `first`: the first tile of each run."""
    if polls.reason is None:
        return np.zeros(len(first), dtype="U1")
    reason = reasons_of_tiles(tiles, polls)
    named = np.flatnonzero((reason != NO_REASON) & (tiles.state == TileState.DOWN))
    if not len(named):
        return np.zeros(len(first), dtype="U1")
    run, number = np.searchsorted(first, named, side="right") - 1, reason[named]
    _, appears = np.unique(run * _WIDTH + number, return_index=True)
    appears.sort()
    run, number = run[appears], number[appears]
    place = np.arange(len(run)) - np.searchsorted(run, run)
    listed = np.flatnonzero(place < MOST_REASONS)
    run, number, place = run[listed], number[listed], place[listed]
    codes = np.zeros((len(first), int(place.max()) + 1), dtype=np.uint32)
    codes[run, place] = number
    text: ReasonText = codes.view(f"U{codes.shape[1]}")[:, 0]
    return text


def reason_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of the reasons of one outage."""
    return tuple(map(ord, text))


def sum_reasons(tiles: Tiles, reason: Int64s, first: Int64s, ends_us: Int64s) -> ReasonTimes:
    """Add up the down tiles before the end of each store's window. `first`: the first tile of each run."""
    inside_us = np.minimum(tiles.end_us, ends_us[tiles.store]) - tiles.begin_us
    down = np.flatnonzero((tiles.state == TileState.DOWN) & (inside_us > 0))
    keys, place = np.unique(tiles.store[down] * _WIDTH + reason[down], return_inverse=True)
    down_us = np.zeros(len(keys), dtype=np.int64)
    np.add.at(down_us, place, inside_us[down])
    run = np.searchsorted(first, down, side="right") - 1
    outages = np.bincount(np.unique(place * (len(first) + 1) + run) // (len(first) + 1), minlength=len(keys))
    return ReasonTimes(keys // _WIDTH, keys % _WIDTH, down_us, outages)
