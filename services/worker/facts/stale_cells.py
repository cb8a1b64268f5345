"""Which facts no longer hold, by what has changed since and by when their local days end."""

from collections.abc import Sequence

import numpy as np

from shared.facts.changes import TouchedDays, touched_pairs
from shared.facts.final_days import final_from_us, is_endless
from shared.inputs.stores import Stores
from shared.uptime.intervals import Int64s
from shared.uptime.policy import Policy


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
    ever = np.unique(cell[(from_us < 0) | is_endless(stores, store_keys[cell])])
    rest = ~np.isin(cell, ever)
    cell, from_us = cell[rest], from_us[rest]
    return np.union1d(ever, cell[from_us < final_from_us(stores, store_keys[cell], days[cell], policy)])
