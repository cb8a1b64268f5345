"""The hours of the fleet, read from the database in chunks of stores, and the groups that labels form."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import psycopg

from shared.db.queries import queries
from shared.insights.chunks import FleetChunk, GroupsByLabel, Places
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
_LABELS_AT_ONCE: Final = 2_000


@dataclass(frozen=True)
class StoredChunk(FleetChunk):
    """A chunk with the open minutes of the days to come, in shape (stores, COMING_DAYS * 24)."""

    coming: Minutes


StoredChunks = Callable[[], Iterator[StoredChunk]]


def read_last_day(conn: psycopg.Connection) -> date | None:
    """Return the date with which the hours of the fleet end. Stores that could not be computed end earlier."""
    row = conn.execute(_SQL["last_day"]).fetchone()
    return row[0] if row else None


def stored_chunks(
    conn: psycopg.Connection, last_day: date, on_chunk: Callable[[], object] = lambda: None
) -> StoredChunks:
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
class LabeledFleet:
    """The keys of the stores in the order of the fleet, and the groups that labels form, with the values of each label."""

    keys: Places
    groups: GroupsByLabel
    values: Mapping[str, Sequence[str]]


def read_labels(conn: psycopg.Connection, last_day: date) -> LabeledFleet:
    """Return the labels whose values form groups of at least three stores on average, and not of nearly the whole fleet."""
    about = {"last_day": last_day, "largest_share": _LARGEST_SHARE, "least_stores": _LEAST_STORES}
    indexes: dict[str, dict[str, int]] = {
        name: {} for (name,) in conn.execute(_SQL["group_labels"], about).fetchall()
    }
    keys = [np.zeros(0, dtype=np.int32)]
    groups = {name: [np.zeros(0, dtype=np.int32)] for name in indexes}
    for rows in _label_rows(conn, last_day):
        keys.append(np.array([key for key, _ in rows], dtype=np.int32))
        shown = [shown_labels(stored) for _, stored in rows]
        for name, index in indexes.items():
            values = (labels.get(name) for labels in shown)
            found = [-1 if value is None else index.setdefault(value, len(index)) for value in values]
            groups[name].append(np.array(found, dtype=np.int32))
    of_store = {name: np.concatenate(parts) for name, parts in groups.items()}
    return LabeledFleet(
        np.concatenate(keys), of_store, {name: list(index) for name, index in indexes.items()}
    )


def _label_rows(conn: psycopg.Connection, last_day: date) -> Iterator[list[tuple[int, object]]]:
    """Yield the keys and labels of the fleet, some stores at a time."""
    after_key = -1
    while True:
        asked = {"last_day": last_day, "after_key": after_key, "limit": _LABELS_AT_ONCE}
        rows = conn.execute(_SQL["fleet_labels"], asked).fetchall()
        if not rows:
            return
        yield rows
        after_key = rows[-1][0]
