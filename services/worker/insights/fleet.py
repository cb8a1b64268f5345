"""The hours of the fleet, read from the database in chunks of stores, and the groups that labels form."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray

from shared.db.queries import queries
from shared.insights.chunks import FleetChunk
from shared.insights.history import HOURS, HourHistory, Minutes
from shared.insights.terms import COMING_DAYS
from shared.labels import shown_labels
from shared.zone_names import NAMED_ZONES

_SQL = queries("insights")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# Of this many stores, a pass holds about 30 MB.
_CHUNK_STORES: Final = 500
# A label that names each store, or that nearly all stores share, tells nothing.
_LARGEST_SHARE, _LEAST_STORES = 0.95, 3
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class StoredChunk(FleetChunk):
    """A chunk with the open minutes of the days to come, in shape (stores, COMING_DAYS * 24)."""

    coming: Minutes


def read_last_day(conn: psycopg.Connection) -> date | None:
    """Return the date with which the hours of the fleet end. Stores that could not be computed end earlier."""
    row = conn.execute(_SQL["last_day"]).fetchone()
    return row[0] if row else None


def stored_chunks(
    conn: psycopg.Connection, last_day: date, on_chunk: Callable[[], object] = lambda: None
) -> Callable[[], Iterator[StoredChunk]]:
    """Return the chunks of the fleet, in the caller's snapshot. `on_chunk` is called before each is read."""
    end = last_day.toordinal() - _EPOCH_DAY

    def chunks() -> Iterator[StoredChunk]:
        first, after_key = 0, -1
        while True:
            on_chunk()
            asked = {"last_day": last_day, "after_key": after_key, "limit": _CHUNK_STORES}
            rows = conn.execute(_SQL["fleet"], asked, binary=True).fetchall()
            if not rows:
                return
            keys, minutes, coming, zones = zip(*rows, strict=True)
            rings = np.frombuffer(b"".join(minutes), dtype=np.uint8).reshape(len(rows), 3, HOURS)
            opened = np.frombuffer(b"".join(coming), dtype=np.uint8).reshape(len(rows), COMING_DAYS * 24)
            history = HourHistory.of_rings(rings, end)
            ahead = np.array([_ahead_hours(zone, last_day) for zone in zones], dtype=np.int64)
            yield StoredChunk(first, np.array(keys, dtype=np.int64), history, ahead, opened)
            first, after_key = first + len(rows), keys[-1]

    return chunks


@cache
def _ahead_hours(zone: str, day: date) -> int:
    """Return how far a zone is ahead of UTC; 0 for a zone that became unknown since the hours were counted."""
    if zone not in NAMED_ZONES:
        return 0
    ahead = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
    return round(ahead / timedelta(hours=1))


@dataclass(frozen=True)
class LabelGroups:
    """The values of one label, and the index of each store's value in the order of the fleet; -1 without the label."""

    values: Sequence[str]
    of_store: Ints


def read_groups(conn: psycopg.Connection, last_day: date) -> Mapping[str, LabelGroups]:
    """Return the labels whose values form groups of at least three stores on average, and not of nearly the whole fleet."""
    rows = conn.execute(_SQL["fleet_labels"], {"last_day": last_day}).fetchall()
    places: dict[str, dict[str, list[int]]] = {}
    for place, (_, stored) in enumerate(rows):
        labels: Mapping[str, Any] = shown_labels(stored)
        for name, value in labels.items():
            places.setdefault(name, {}).setdefault(value, []).append(place)
    found = {}
    for name, by_value in sorted(places.items()):
        labeled = sum(map(len, by_value.values()))
        largest = max(map(len, by_value.values()))
        if labeled >= _LEAST_STORES * len(by_value) and largest <= _LARGEST_SHARE * len(rows):
            of_store = np.full(len(rows), -1)
            for index, stores in enumerate(by_value.values()):
                of_store[stores] = index
            found[name] = LabelGroups(list(by_value), of_store)
    return found
