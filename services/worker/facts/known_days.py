"""The input of a report's batch from facts: sums of whole days where they hold, and the polls around them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import psycopg

from services.worker.load import Snapshot, read_hours, read_polls, read_stores
from shared.clock import from_us, to_us
from shared.db.queries import queries
from shared.facts.changes import TouchedDays
from shared.facts.marks import find_touched_since, have_polls, read_marks
from shared.inputs.adjustments import NOTHING_STORED, read_adjustments
from shared.inputs.batch_input import BatchInput
from shared.inputs.stores import Stores
from shared.reports.batch import Batch
from shared.reports.consistency import DataRange, data_range
from shared.uptime.bounds import bounds_us
from shared.uptime.days import can_add_days, day_edges_us
from shared.uptime.faults import find_faults
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.policy import DAY_US, POLICIES, Policy, every_poll_us, history_us, later_us
from shared.uptime.states import Polls
from shared.uptime.whole_days import WholeDays
from shared.uptime.window import parse_windows

_SQL = queries("store_days")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# Fewer days are read from polls, which workers remember.
_LONG: Final = timedelta(days=10)
_LEAST_DAYS: Final = 3


def load_with_facts(conn: psycopg.Connection, batch: Batch, snapshot: Snapshot) -> BatchInput | None:
    """Return the input of a batch in the caller's snapshot, or None if no fact can be used.

    A store is read from facts if, for each of its long windows, all whole days have a fact that no later change can have
    touched, are final at `as_of`, and could be computed again. Otherwise all its polls are read.
    """
    policy = POLICIES[batch.policy]
    asked = data_range(batch.as_of, batch.policy, batch.windows)
    if (
        batch.finds_outages
        or batch.pinned_cut is not None
        or not can_add_days(policy)
        or asked.to_time - asked.every_from < _LONG
    ):
        return None
    stores = read_stores(conn, batch)
    marks = [mark for mark in read_marks(conn, policy, stores.keys.tolist()) if mark.is_valid]
    if not marks:
        return None
    hours = read_hours(conn, stores)
    stored = read_adjustments(conn, stores, snapshot.seq) if snapshot.adjusted_seq else NOTHING_STORED
    none = np.zeros(0, dtype=np.int64)
    nothing = Polls(none, none, np.zeros(0, dtype=np.bool_))
    given = BatchInput(stores.ids, stores.zones, hours, nothing, stored.in_range(hours, asked))
    faulty = list(find_faults(given.zones, given.hours, given.adjustments))
    marked = np.isin(stores.keys, [mark.store_key for mark in marks])
    marked[faulty] = False
    if not marked.any():
        return None
    days = _find_days(batch, stores, np.flatnonzero(marked), policy)
    touched = find_touched_since(conn, policy, marks)
    known = _sum_days(conn, batch, stores, days, days.hold(touched, stores) & _can_repeat(conn, days, policy))
    if not known.has_any.any():
        return None
    polls = _read_around(conn, batch, stores, known, asked)
    return replace(given, polls=polls, whole_days=known)


@dataclass(frozen=True)
class _Days:
    """The whole days of each store and window: days since 1970, from `first` up to `until`, and their midnights."""

    starts_us: Int64s
    first: Int64s
    until: Int64s
    from_us: Int64s
    until_us: Int64s

    def hold(self, touched: Sequence[TouchedDays], stores: Stores) -> Bools:
        """Return for each store whether no change can have touched its days."""
        hold = np.ones(len(self.first), dtype=np.bool_)
        for change in touched:
            of_store = (stores.keys == change.store_key) | (change.store_key == 0)
            meets = (self.first <= change.last) & (self.until > change.first) & (self.first < self.until)
            hold &= ~(of_store & meets.any(axis=1))
        return hold


def _find_days(batch: Batch, stores: Stores, places: Int64s, policy: Policy) -> _Days:
    """Return the final days of some stores in each window. Windows with few days have none."""
    windows, as_of_us = parse_windows(batch.windows), to_us(batch.as_of)
    zones = [stores.zones[place] for place in places.tolist()]
    starts_us, ends_us = bounds_us(windows, as_of_us, zones)
    origin = int(starts_us.min()) // DAY_US - 2
    edges_us = day_edges_us(zones, date.fromordinal(origin + _EPOCH_DAY), as_of_us // DAY_US + 2 - origin)
    final_us = np.minimum(ends_us, as_of_us - later_us(policy))
    first = (edges_us[:, :, None] < starts_us[:, None, :]).sum(axis=1)
    until = np.maximum((edges_us[:, :, None] <= final_us[:, None, :]).sum(axis=1) - 1, first)
    until = np.where(until - first < _LEAST_DAYS, first, until)
    shape = len(stores.keys), len(windows)
    found = [np.zeros(shape, dtype=np.int64) for _ in range(5)]
    row = np.arange(len(places))[:, None]
    last = edges_us.shape[1] - 1
    values = (
        starts_us,
        first + origin,
        until + origin,
        edges_us[row, np.minimum(first, last)],
        edges_us[row, np.minimum(until, last)],
    )
    for array, value in zip(found, values, strict=True):
        array[places] = value
    return _Days(*found)


def _can_repeat(conn: psycopg.Connection, days: _Days, policy: Policy) -> Bools:
    """Return for each store whether the polls of its days were not dropped."""
    repeatable = have_polls(conn, days.first.ravel(), days.until.ravel() - 1, policy)
    can: Bools = (repeatable.reshape(days.first.shape) | (days.first == days.until)).all(axis=1)
    return can


def _sum_days(
    conn: psycopg.Connection, batch: Batch, stores: Stores, days: _Days, usable: Bools
) -> WholeDays:
    """Return the sums of the days of usable stores that have a fact for each of them."""
    wanted = usable[:, None] & (days.first < days.until)
    place, window = np.nonzero(wanted)
    numbers = np.zeros((*wanted.shape, 6), dtype=np.int64)
    if len(place):
        first, until = days.first[wanted], days.until[wanted]
        asked = {
            "policy": batch.policy,
            "store_keys": stores.keys[place].tolist(),
            "first": [date.fromordinal(day + _EPOCH_DAY) for day in first.tolist()],
            "until": [date.fromordinal(day + _EPOCH_DAY) for day in until.tolist()],
            "first_day": date.fromordinal(int(first.min()) + _EPOCH_DAY),
            "last_day": date.fromordinal(int(until.max()) - 1 + _EPOCH_DAY),
        }
        for row in conn.execute(_SQL["sums"], asked, prepare=False).fetchall():
            numbers[place[row[0]], window[row[0]]] = row[1:]
    complete = (numbers[:, :, 0] == days.until - days.first).all(axis=1) & usable & wanted.any(axis=1)
    numbers[~complete] = 0
    until_us = np.where(complete[:, None], days.until_us, days.from_us)
    return WholeDays(days.from_us, until_us, *(numbers[:, :, column] for column in range(1, 6)))


def _read_around(
    conn: psycopg.Connection, batch: Batch, stores: Stores, known: WholeDays, asked: DataRange
) -> Polls:
    """Read all polls of stores without known days, and for the others those that the rest of each window needs."""
    policy, as_of_us = POLICIES[batch.policy], to_us(batch.as_of)
    has, windows = known.has_any, parse_windows(batch.windows)
    starts_us, ends_us = bounds_us(windows, as_of_us, [stores.zones[n] for n in np.flatnonzero(has).tolist()])
    from_us, until_us = known.from_us[has], known.until_us[has]
    is_known = from_us < until_us
    tails_us = int(np.where(is_known, until_us, starts_us).min())
    some = [(~has, asked), (has, _range(tails_us, int(ends_us.max()), policy, batch.as_of))]
    for number in range(len(windows)):
        head = is_known[:, number] & (starts_us[:, number] < from_us[:, number])
        if head.any():
            first_us, last_us = int(starts_us[head, number].min()), int(from_us[head, number].max())
            some.append((has, _range(first_us, last_us, policy, batch.as_of)))
    read = [_read(conn, stores, np.flatnonzero(chosen), needed) for chosen, needed in some]
    return Polls(
        *(np.concatenate([getattr(polls, name) for polls in read]) for name in ("store", "at_us", "active"))
    )


def _range(first_us: int, last_us: int, policy: Policy, as_of: datetime) -> DataRange:
    """Return the range of the polls that a stretch needs."""
    return DataRange(
        from_us(first_us - history_us(policy)),
        from_us(first_us - every_poll_us(policy)),
        min(as_of, from_us(last_us + later_us(policy))),
    )


def _read(conn: psycopg.Connection, stores: Stores, places: Int64s, needed: DataRange) -> Polls:
    some = Stores(
        stores.keys[places],
        [stores.ids[n] for n in places.tolist()],
        [stores.zones[n] for n in places.tolist()],
    )
    polls = read_polls(conn, some, needed)
    return Polls(places[polls.store], polls.at_us, polls.active)
