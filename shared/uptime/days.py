"""Measure whole local days: the numbers that no later poll can change, so they can be stored and added up.

Uses the same kernel as reports. Must not know where the days are stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments, adjusted_schedule
from shared.uptime.batch import StoreHistory
from shared.uptime.bounds import midnights_us
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures, measure_states
from shared.uptime.outages import outage_states, without_superseded
from shared.uptime.policy import LOOKBACK_US, Policy, history_us, later_us, outage_history_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import Polls, States
from shared.uptime.tiles import TileState, last_state_before, measured_before, tiled
from shared.uptime.zones import number_zones

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class DayMeasures:
    """Numbers in shape (stores, days). `outages`: how many began in the day."""

    measures: Measures
    outages: Int64s


def day_edges_us(zones: Sequence[str | None], first: date, days: int) -> Int64s:
    """Return the midnights around consecutive local dates, in shape (stores, days + 1). None: the default zone.

    Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    names, zone = number_zones(zones)
    dates = np.arange(first.toordinal() - _EPOCH_DAY, first.toordinal() - _EPOCH_DAY + days + 1)
    edges_us = midnights_us(names, np.tile(dates, (len(names), 1)))
    return edges_us[zone]


def without_later_polls(polls: Polls, ends_us: int) -> Polls:
    """Leave out what cannot change days that end by `ends_us`: of the polls from then on, only each store's first one matters.

    The polls are in order.
    """
    is_later = polls.at_us >= ends_us
    is_next = is_later.copy()
    is_next[1:] &= ~is_later[:-1] | (polls.store[1:] != polls.store[:-1])
    return polls.pick(np.flatnonzero(~is_later | is_next))


def measure_days(
    stores: StoreHistory,
    first: date,
    days: int,
    policy: Policy,
    *,
    adjustments: Adjustments = NO_ADJUSTMENTS,
) -> DayMeasures:
    """Measure the stores on consecutive local dates, as seen from any instant at which all of them are final.

    A day is final `later_us(policy)` after its end. The polls must be those that `measure_outages` needs for a window
    from the first day up to that instant. Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    edges_us = day_edges_us(stores.zones, first, days)
    as_of_us = int(edges_us.max()) + later_us(policy)
    first_us = int(edges_us.min()) - outage_history_us(policy)
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, first_us, as_of_us)
    # Before the time that the days need, only the last measured time of each store can matter.
    needed_us = first_us + outage_history_us(policy) - history_us(policy)
    schedule = replace(schedule, measured=without_superseded(schedule.measured, needed_us))
    history = PollHistory(schedule, stores.polls, first_us, as_of_us, len(edges_us), policy)
    spoken = outage_states(history)
    measures = measure_states(schedule, history, spoken, (edges_us[:, :-1], edges_us[:, 1:]))
    return DayMeasures(measures, _count_begun(history, spoken, edges_us))


def _count_begun(history: PollHistory, spoken: States, edges_us: Int64s) -> Int64s:
    """Count the outages that began in each day, as `find_outages` would for the day alone.

    Down time continues an outage if the measured time before it was down too, and not too long before the midnight.
    """
    stores, days = len(edges_us), edges_us.shape[1] - 1
    line, starts_us = history.line, edges_us[:, 0]
    tiles = tiled(history, spoken, starts_us)
    is_down = tiles.state == TileState.DOWN
    follows = np.zeros(len(is_down), dtype=np.bool_)
    follows[1:] = tiles.store[1:] == tiles.store[:-1]
    was_down, ended_us = np.roll(is_down, 1), np.roll(tiles.end_us, 1)
    before = last_state_before(history, spoken, starts_us, LOOKBACK_US)
    found, last_us = measured_before(line, history.measured, starts_us, LOOKBACK_US)
    before_us = starts_us - LOOKBACK_US
    before_us[found] = last_us
    first = np.flatnonzero(~follows)
    was_down[first] = before[tiles.store[first]] == TileState.DOWN
    ended_us[first] = before_us[tiles.store[first]]
    edge = np.searchsorted(
        line.place(np.arange(stores)[:, None], edges_us).ravel(),
        line.place(tiles.store, tiles.begin_us),
        side="right",
    )
    day = edge - 1 - tiles.store * (days + 1)
    continues = was_down & (ended_us > edges_us[tiles.store, np.minimum(day, days)] - LOOKBACK_US)
    begun = np.flatnonzero(is_down & ~continues & (day < days))
    counts = np.bincount(tiles.store[begun] * days + day[begun], minlength=stores * days)
    return counts.reshape(stores, days)
