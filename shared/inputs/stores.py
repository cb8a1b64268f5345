"""Some stores in order, and the packed rows about them as arrays. Must not know the accounting."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.uptime.calendar import Hours
from shared.uptime.intervals import Int64s
from shared.uptime.states import Polls

# 2000-01-01, from which Postgres counts.
_POSTGRES_EPOCH_US = 946_684_800_000_000
_POLL = np.dtype([("store_key", ">i4"), ("at_us", ">i8"), ("active", "?")])
POLL_BYTES = _POLL.itemsize
_HOURS = np.dtype([("store_key", ">i4"), ("day_of_week", ">i2"), ("opens_s", ">i4"), ("closes_s", ">i4")])
# Up to this many table entries per store, a lookup table is faster than a search for each poll.
_DENSE = 64


@dataclass(frozen=True)
class Stores:
    """The stores of a batch in the order of the file: keys, ids and time zones. A zone of None is the default."""

    keys: Int64s
    ids: Sequence[str]
    zones: Sequence[str | None]

    @cached_property
    def zone_numbers(self) -> tuple[Sequence[str | None], Int64s]:
        """The different time zones, and for each store the number of its zone among them."""
        number = {zone: index for index, zone in enumerate(dict.fromkeys(self.zones))}
        return list(number), np.array([number[zone] for zone in self.zones], dtype=np.int64)

    def choose(self, places: Int64s) -> "Stores":
        """Return some of the stores, given by their indexes."""
        chosen = places.tolist()
        return Stores(self.keys[places], [self.ids[n] for n in chosen], [self.zones[n] for n in chosen])


def parse_hours(stores: Stores, packed: bytes) -> Hours:
    """Return the opening hours in a row of records, as the query `hours` packs them."""
    records = np.frombuffer(packed, dtype=_HOURS)
    return Hours(
        find_places(stores, records["store_key"]),
        *(records[name].astype(np.int64) for name in ("day_of_week", "opens_s", "closes_s")),
    )


def parse_polls(stores: Stores, packed: bytes) -> Polls:
    """Return the polls in a row of records, as the query `polls` packs them."""
    records = np.frombuffer(packed, dtype=_POLL)
    at_us = records["at_us"].astype(np.int64) + _POSTGRES_EPOCH_US
    return Polls(find_places(stores, records["store_key"]), at_us, records["active"])


def find_places(stores: Stores, wanted: np.ndarray) -> Int64s:
    """Return the index in `stores` of each wanted key. Every key must be there."""
    keys, order = stores.keys, np.argsort(stores.keys)
    first = int(keys[order[0]]) if len(order) else 0
    if len(order) and int(keys[order[-1]]) - first <= _DENSE * len(order):
        place = np.zeros(int(keys[order[-1]]) - first + 1, dtype=np.int64)
        place[keys - first] = np.arange(len(keys))
        return place[wanted.astype(np.int64) - first]
    positions: Int64s = order[np.searchsorted(keys, wanted.astype(np.int64), sorter=order)]
    return positions
