"""When the local days of stores end, and from when on no poll can change them."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from shared.inputs.stores import Stores, find_places
from shared.uptime.bounds import midnights_us
from shared.uptime.days import day_edges_us
from shared.uptime.faults import is_known_zone
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.policy import DAY_US, HOUR_US, Policy, later_us
from shared.uptime.zones import DEFAULT_TIMEZONE

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# No zone is further from UTC.
_ZONES_US: Final = 15 * HOUR_US


def is_endless(stores: Stores, store_keys: Int64s) -> Bools:
    """Return which stores have an unknown zone: when their days end is unknown too."""
    zones, number = stores.zone_numbers
    unknown = np.array([not is_known_zone(zone) for zone in zones], dtype=np.bool_)
    if not unknown.any():
        return np.zeros(len(store_keys), np.bool_)
    return unknown[number[find_places(stores, store_keys)]]


def final_from_us(stores: Stores, store_keys: Int64s, days: Int64s, policy: Policy) -> Int64s:
    """Return the instants from which on polls no longer change days (since 1970), each in the zone of its store.

    The zones of these stores must exist.
    """
    if not len(days):
        return days
    first, last = int(days.min()), int(days.max())
    zones, number = stores.zone_numbers
    known = [zone if is_known_zone(zone) else None for zone in zones]
    edges_us = day_edges_us(known, date.fromordinal(first + _EPOCH_DAY), last - first + 1)
    ends_us: Int64s = edges_us[number[find_places(stores, store_keys)], days - first + 1]
    return ends_us + later_us(policy)


def last_change(stores: Stores, store_keys: Int64s, days: Int64s, policy: Policy) -> datetime:
    """Return an instant after which no poll changes any of the days; without unknown zones, the earliest one."""
    if is_endless(stores, store_keys).any():
        until_us = (int(days.max()) + 1) * DAY_US + _ZONES_US + later_us(policy)
    else:
        until_us = int(final_from_us(stores, store_keys, days, policy).max()) - 1
    return _EPOCH + timedelta(microseconds=until_us)


def span_us(stores: Stores, first: int, last: int) -> tuple[int, int]:
    """Return when the days from `first` to `last` begin and end in the known ones of the stores' zones, first and last."""
    zones, _ = stores.zone_numbers
    names = sorted({zone or DEFAULT_TIMEZONE for zone in zones if is_known_zone(zone)})
    edges_us = midnights_us(names or [DEFAULT_TIMEZONE], np.tile([first, last + 1], (len(names) or 1, 1)))
    return int(edges_us.min()), int(edges_us.max())
