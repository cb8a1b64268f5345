"""What each store is now: up, down, unknown, silent, closed, excluded or ended. `docs/explanation/live.md` has the rule.

Everything here is a function of the data up to now, so two workers agree. Must not know the database. A change of the rule
raises `LIVE_VERSION`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments, adjusted_schedule
from shared.uptime.batch import StoreHistory
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.live_hours import AS_UP, EXCLUDED, MEASURED, OUTSIDE, Whereabouts, locate, today_us
from shared.uptime.live_polls import MISSING, LastRun, LatestPolls, last_polls, last_runs, usual_gaps_us
from shared.uptime.live_time import measure_today, open_time_us
from shared.uptime.policy import DAY_US, DEFAULT_POLICY, MINUTE_US, POLICIES, Policy, reach_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import Polls

POLICY: Final[Policy] = POLICIES[DEFAULT_POLICY]
# Polls of today and the two UTC dates before it count for runs and gaps.
_BACK_US: Final = 2 * DAY_US
# How far away borders of the schedule are looked for.
_NEAR_US: Final = 8 * DAY_US
# A store is silent after this many usual gaps without a poll, but not before the shortest time.
_GAPS: Final = 3
_SHORTEST_US: Final = 5 * MINUTE_US


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
    hours_from_us: Int64s
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


@dataclass(frozen=True, slots=True)
class _StoresSeen:
    """What the rule decides from: where each store is, what its polls say, and when its patience ends.

    `patience_us` runs from `quiet_from_us`, which is `MISSING` if it is too far away. Then the patience ended long ago.
    """

    now_us: int
    where: Whereabouts
    last: LatestPolls
    run: LastRun
    usual_gap_us: Int64s
    speaks: Bools
    quiet_from_us: Int64s
    patience_us: Int64s
    ended_us: Int64s

    @property
    def silent_at_us(self) -> Int64s:
        return np.where(self.quiet_from_us < 0, MISSING, self.quiet_from_us + self.patience_us)

    @property
    def is_open(self) -> Bools:
        is_open: Bools = (self.where.kind == MEASURED) & ~self.is_ended
        return is_open

    @property
    def is_ended(self) -> Bools:
        is_ended: Bools = self.ended_us <= self.now_us
        return is_ended


def history_from_us(now_us: int) -> int:
    """Return from which instant on every poll is needed: the start of the UTC date two days ago."""
    return now_us - now_us % DAY_US - _BACK_US


def border_range_us(now_us: int) -> tuple[int, int]:
    """Return the range in which borders of the schedule are looked for. It is the same for a whole UTC date."""
    today_us = now_us - now_us % DAY_US
    return today_us - _NEAR_US, today_us + DAY_US + _NEAR_US


def live_rows(
    stores: StoreHistory, now_us: int, silent_us: int, *, adjustments: Adjustments = NO_ADJUSTMENTS
) -> LiveRows:
    """Return what each store is at `now_us`. `silent_us`: after how long a store without a usual gap is silent.

    The polls must be all from `history_from_us(now_us)` on, and the last one of each store before. Later ones than `now_us`
    do not count yet. Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    number, range_us = len(stores.zones), border_range_us(now_us)
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, *range_us)
    where, lately = locate(schedule, number, now_us, range_us).among(
        schedule, history_from_us(now_us), now_us
    )
    history = PollHistory(lately, stores.polls, range_us[0], now_us, number, POLICY)
    seen = _look(stores.polls, where, history, adjustments, silent_us)
    state = _states(seen)
    earliest_us, latest_us = _since(seen, state)
    day_from_us, day_until_us = today_us(stores.zones, now_us)
    accrues = _accruals(seen)
    up_us, down_us = measure_today(lately, history, day_from_us)
    begun_us = np.where(seen.where.kind == AS_UP, seen.where.open_us, seen.run.unbroken_us)
    counted_us = np.where(accrues == NOTHING_ACCRUES, day_from_us, np.maximum(day_from_us, begun_us))
    elapsed_us = now_us - counted_us
    is_down = state == DOWN
    down_open_us = open_time_us(history, seen.run) - elapsed_us
    return LiveRows(
        state=state,
        since_earliest_us=earliest_us,
        since_latest_us=latest_us,
        last_poll_us=seen.last.at_us,
        last_active=seen.last.active,
        hours_from_us=np.where(state <= SILENT, seen.where.hours_us, MISSING),
        open_from_us=np.where(state <= SILENT, seen.where.open_us, MISSING),
        open_until_us=np.where(state <= SILENT, seen.where.close_us, MISSING),
        opens_at_us=np.where((state == CLOSED) | (state == EXCLUDED_NOW), seen.where.opens_us, MISSING),
        day_from_us=day_from_us,
        counted_us=counted_us,
        accrues=accrues,
        up_us=up_us - np.where(accrues == UP_ACCRUES, elapsed_us, 0),
        down_us=down_us - np.where(accrues == DOWN_ACCRUES, elapsed_us, 0),
        down_open_us=np.where(is_down, down_open_us, 0),
        inactive_polls=np.where(seen.run.active, 0, seen.run.polls),
        usual_gap_us=seen.usual_gap_us,
        changes_us=_next_changes_us(seen, day_until_us, stores.polls),
    )


def _look(
    polls: Polls, where: Whereabouts, history: PollHistory, adjustments: Adjustments, silent_us: int
) -> _StoresSeen:
    now_us, number = history.as_of_us, history.stores
    range_us = border_range_us(now_us)
    (ordered, _), (inside, span) = history.ordered, history.counted
    recent = np.flatnonzero(inside.at_us >= history_from_us(now_us))
    counted, span = inside.pick(recent), span[recent]
    run = last_runs(counted, span, number, reach_us(POLICY))
    gap_us = usual_gaps_us(counted, span, number)
    speaks = (where.span >= 0) & (run.span == where.span)
    patience_us = np.where(gap_us < 0, silent_us, np.maximum(_GAPS * gap_us, _SHORTEST_US))
    last = last_polls(ordered, polls.pick(np.flatnonzero(polls.at_us < range_us[0])), number)
    # An opening out of view was before everything in view, so a last poll in view is in the current span.
    quiet_from_us = np.maximum(where.open_us, last.at_us)
    _, ended_us = adjustments.lifetimes.of(number)
    return _StoresSeen(
        now_us,
        where,
        last,
        run,
        gap_us,
        speaks,
        np.where(quiet_from_us < range_us[0], MISSING, quiet_from_us),
        np.minimum(patience_us, POLICY.horizon_us),
        ended_us,
    )


def _states(seen: _StoresSeen) -> Int64s:
    """Return the state of each store. The later rules take precedence."""
    state = np.full(len(seen.speaks), CLOSED)
    is_open = seen.is_open
    state[seen.where.kind == EXCLUDED] = EXCLUDED_NOW
    state[seen.where.kind == AS_UP] = UP
    state[is_open] = UNKNOWN
    state[is_open & seen.speaks] = np.where(seen.run.active, UP, DOWN)[is_open & seen.speaks]
    state[is_open & (seen.silent_at_us <= seen.now_us) & (seen.last.at_us >= 0)] = SILENT
    state[seen.is_ended] = ENDED
    return state


def _since(seen: _StoresSeen, state: Int64s) -> tuple[Int64s, Int64s]:
    where, run = seen.where, seen.run
    # Of a silence too, this is `MISSING` if it is too far away.
    exact_us = np.select(
        [state == ENDED, state == SILENT, where.kind == OUTSIDE],
        [seen.ended_us, seen.silent_at_us, where.closed_us],
        where.open_us,
    )
    by_polls = seen.is_open & seen.speaks & (state != SILENT)
    return np.where(by_polls, run.before_us, exact_us), np.where(by_polls, run.first_us, exact_us)


def _accruals(seen: _StoresSeen) -> Int64s:
    """Return which time grows with the clock: a poll speaks for a horizon, and a closure that counts as up to its end."""
    accrues = np.full(len(seen.speaks), NOTHING_ACCRUES)
    spoken = seen.is_open & seen.speaks & (seen.now_us - seen.run.at_us < POLICY.horizon_us)
    accrues[spoken] = np.where(seen.run.active, UP_ACCRUES, DOWN_ACCRUES)[spoken]
    accrues[(seen.where.kind == AS_UP) & ~seen.is_ended] = UP_ACCRUES
    return accrues


def _next_changes_us(seen: _StoresSeen, day_until_us: Int64s, polls: Polls) -> Int64s:
    """Return when each store's row changes next without new data. All are computed again on the next UTC date."""
    now_us, where, run = seen.now_us, seen.where, seen.run
    next_us = np.minimum(day_until_us, history_from_us(now_us) + _BACK_US + DAY_US)
    for borders_us in (
        where.close_us,
        where.next_us,
        seen.ended_us,
        np.where(seen.is_open, seen.silent_at_us, MISSING),
        np.where(seen.speaks, run.at_us + POLICY.horizon_us, MISSING),
    ):
        next_us = np.where(borders_us > now_us, np.minimum(next_us, borders_us), next_us)
    later = np.flatnonzero(polls.at_us > now_us)
    np.minimum.at(next_us, polls.store[later], polls.at_us[later])
    return next_us
