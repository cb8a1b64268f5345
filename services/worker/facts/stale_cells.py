"""Which facts no longer hold, by what has changed since and by when their local days end."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from shared.facts.changes import TouchedDays, touched_pairs
from shared.inputs.stores import Stores, find_places
from shared.uptime.days import day_edges_us
from shared.uptime.faults import is_known_zone
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.policy import Policy, later_us

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def find_stale_cells(
    touched: Sequence[TouchedDays], stores: Stores, policy: Policy, store_keys: Int64s, days: Int64s
) -> Int64s:
    """Return the indexes of the cells, given by store and day, that a change can have touched, in ascending order.

    Changes tell days for any time zone. A day that was final at the first instant of a change is not touched: after a
    normal day of polls, no cell is stale. When the days of a store end is unknown if its zone is; then they are stale.
    """
    change, cell = touched_pairs(touched, store_keys, days)
    from_us = np.array([each.from_us for each in touched], dtype=np.int64)[change]
    # A change of the zone has no first instant.
    ever = np.unique(cell[(from_us < 0) | _is_endless(stores, store_keys[cell])])
    rest = ~np.isin(cell, ever)
    cell, from_us = cell[rest], from_us[rest]
    ends_us = day_ends_us(stores, store_keys[cell], days[cell])
    return np.union1d(ever, cell[from_us < ends_us + later_us(policy)])


def _is_endless(stores: Stores, store_keys: Int64s) -> Bools:
    """Return which stores have an unknown zone."""
    endless = [place for place, zone in enumerate(stores.zones) if not is_known_zone(zone)]
    if not endless:
        return np.zeros(len(store_keys), np.bool_)
    is_endless: Bools = np.isin(find_places(stores, store_keys), endless)
    return is_endless


def day_ends_us(stores: Stores, store_keys: Int64s, days: Int64s) -> Int64s:
    """Return the instants at which days (since 1970) end, each in the zone of its store. The zones of these must exist."""
    if not len(days):
        return days
    first, last = int(days.min()), int(days.max())
    every = find_places(stores, store_keys)
    places = np.unique(every)
    zones = [stores.zones[place] for place in places.tolist()]
    edges_us = day_edges_us(zones, date.fromordinal(first + _EPOCH_DAY), last - first + 1)
    return edges_us[np.searchsorted(places, every), days - first + 1]
