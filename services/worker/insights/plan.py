"""What a batch of insights has to count: for each store, the days since its hours were counted, or all of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import psycopg

from services.worker.load import read_stores
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.facts.changes import PollRange, TouchedDays, find_touched
from shared.facts.marks import read_readable_from
from shared.inputs.stores import Stores, find_places
from shared.insights.history import HOURS, HOURS_VERSION, Minutes
from shared.insights.terms import DAYS
from shared.reports.batch import Batch
from shared.uptime.intervals import Int64s
from shared.uptime.policy import DEFAULT_POLICY, POLICIES
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("insights")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EVERY_STORE: Final = 0


@dataclass(frozen=True)
class HoursPlan:
    """The stores of a batch, their rings of hours as they are, and the first day (since 1970) to count of each store.

    A store whose first day is after `last_day` has nothing to count. `seen` holds the ledger number of each ring.
    """

    stores: Stores
    seen: dict[int, int]
    rings: Minutes
    first: Int64s
    last_day: int


def made_by() -> str:
    """Return the rule and the time zones that this process counts hours with."""
    return f"{HOURS_VERSION} {tzdata_version()}"


def plan_hours(conn: psycopg.Connection, batch: Batch) -> HoursPlan:
    """Return what the batch has to count, in the caller's snapshot.

    A ring is counted again from the first day that a change since its ledger number can have touched. It is counted from
    the beginning if that cannot be known, or if other rules or time zones made it.
    """
    assert batch.last_day is not None  # noqa: S101 - a job of kind insights has days
    stores = read_stores(conn, batch)
    last_day = batch.last_day.toordinal() - _EPOCH_DAY
    earliest = last_day - DAYS + 1
    rings = np.zeros((len(stores.keys), 3, HOURS), dtype=np.uint8)
    first = np.full(len(stores.keys), earliest)
    rows = conn.execute(_SQL["hours"], {"store_keys": key_array(stores.keys)}, binary=True).fetchall()
    readable_from, valid, until = read_readable_from(conn), [], []
    for place, (_, day, seq, maker, minutes) in zip(_places(stores, rows), rows, strict=True):
        ring_end = day.toordinal() - _EPOCH_DAY
        if maker == made_by() and seq >= readable_from and earliest - 1 <= ring_end <= last_day:
            rings[place] = np.frombuffer(minutes, dtype=np.uint8).reshape(3, HOURS)
            first[place] = ring_end + 1
            valid.append(seq)
            until.append(ring_end)
    if valid:
        known = np.flatnonzero(first > earliest)
        for change in _find_touched(conn, stores.keys[known].tolist(), min(valid), max(until)):
            of_change = known[
                np.isin(stores.keys[known], change.store_key) | (change.store_key == _EVERY_STORE)
            ]
            first[of_change] = np.minimum(first[of_change], max(change.first, earliest))
    return HoursPlan(stores, {row[0]: row[2] for row in rows}, rings, first, last_day)


def _places(stores: Stores, rows: list[tuple[object, ...]]) -> list[int]:
    places: list[int] = find_places(stores, np.array([row[0] for row in rows], dtype=np.int64)).tolist()
    return places


def _find_touched(conn: psycopg.Connection, store_keys: list[int], seq: int, until: int) -> list[TouchedDays]:
    """Return what changes can have touched up to a day. A poll touches its own hour, an event those of the day before."""
    polls = PollRange(_EPOCH + timedelta(days=until + 3))
    return find_touched(conn, store_keys, seq, polls, POLICIES[DEFAULT_POLICY])
