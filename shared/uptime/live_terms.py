"""The states of a store as it is now, and the columns of live state."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.uptime.intervals import Bools, Int64s


class LiveState(StrEnum):
    """The states, in the order of their numbers in `LiveRows.state`."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    SILENT = "silent"
    CLOSED = "closed"
    EXCLUDED = "excluded"
    ENDED = "ended"


STATES: Final = tuple(LiveState)
UP, DOWN, UNKNOWN, SILENT, CLOSED, EXCLUDED_NOW, ENDED = range(len(STATES))
NOTHING_ACCRUES, UP_ACCRUES, DOWN_ACCRUES = range(3)


@dataclass(frozen=True, slots=True)
class LiveRows:
    """One element a store. What a store does not have is -1. The bounds of `since` are equal where the instant is exact.

    Times are those at `counted_us`. Until `changes_us`, the one that `accrues` names grows with the clock, and nothing else
    changes without new data.
    """

    state: Int64s
    since_earliest_us: Int64s
    since_latest_us: Int64s
    last_poll_us: Int64s
    last_active: Bools
    open_from_us: Int64s
    open_until_us: Int64s
    opens_at_us: Int64s
    day_from_us: Int64s
    counted_us: Int64s
    accrues: Int64s
    up_us: Int64s
    down_us: Int64s
    down_open_us: Int64s
    inactive_polls: Int64s
    usual_gap_us: Int64s
    changes_us: Int64s
