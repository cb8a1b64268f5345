"""What a batch of facts has to compute: the days that are missing, and those that no longer hold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import psycopg

from services.worker.facts.stale_cells import find_stale_cells
from services.worker.load import read_stores
from shared.clock import to_us
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.facts.final_days import final_from_us, is_endless
from shared.facts.marks import Marks, find_touched_since, first_computable_day, read_marks
from shared.inputs.stores import Stores
from shared.reports.batch import Batch
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.policy import POLICIES

_SQL = queries("store_days")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_LONGEST_MONTH: Final = 31


@dataclass(frozen=True)
class FactPlan:
    """The cells to compute, as pairs of a store's key and a day since 1970, and whether each has a fact now.

    `seen` holds the marks of the stores that have one.
    """

    stores: Stores
    seen: Marks
    store_keys: Int64s
    days: Int64s
    has_fact: Bools


def plan_facts(conn: psycopg.Connection, batch: Batch, stores: Stores | None = None) -> FactPlan:
    """Return what the batch has to compute, in the caller's snapshot. `stores`: those of the batch, if they are known.

    1. Of the wanted days, those without facts.
    2. Of all days with facts, those that a change since the store's mark can have touched. All days of a store without
       a mark, or whose mark cannot be checked: the ledger has forgotten changes, or other rules or time zones
       computed them.
    3. Not those whose polls were dropped: their facts are all that is left.
    """
    policy, stores = POLICIES[batch.policy], stores or read_stores(conn, batch)
    marks = read_marks(conn, policy, stores.keys)
    valid = marks.keep(marks.is_valid)
    unchecked = np.setdiff1d(stores.keys, valid.store_keys, assume_unique=True)
    stale = [_list_days(conn, batch, unchecked), _find_stale(conn, batch, stores, valid)]
    missing = _find_missing(conn, batch, stores, marks)
    store_keys, days = np.concatenate([missing, *stale], axis=1)
    has_fact = np.arange(len(days)) >= missing.shape[1]
    some = days >= first_computable_day(conn, policy)
    return FactPlan(stores, marks, store_keys[some], days[some], has_fact[some])


def final_cells(plan: FactPlan, batch: Batch) -> FactPlan:
    """Return the cells that are final at the job's `as_of`, and those of unknown zones: their stores fail."""
    kept = is_endless(plan.stores, plan.store_keys)
    known = np.flatnonzero(~kept)
    final_us = final_from_us(plan.stores, plan.store_keys[known], plan.days[known], POLICIES[batch.policy])
    kept[known] = final_us <= to_us(batch.as_of)
    return replace(plan, store_keys=plan.store_keys[kept], days=plan.days[kept], has_fact=plan.has_fact[kept])


def _find_missing(conn: psycopg.Connection, batch: Batch, stores: Stores, marks: Marks) -> Int64s:
    assert batch.first_day is not None  # noqa: S101 - a job of kind facts has days
    assert batch.last_day is not None  # noqa: S101
    first, last = (day.toordinal() - _EPOCH_DAY for day in (batch.first_day, batch.last_day))
    # Later days are final in no zone.
    last = max(min(last, batch.as_of.date().toordinal() - _EPOCH_DAY), first - 1)
    keys = np.sort(stores.keys)
    is_there = np.zeros((len(keys), last - first + 1), dtype=np.bool_)
    unmarked = np.setdiff1d(keys, marks.store_keys, assume_unique=True)
    have_keys, have_days = _list_days(conn, batch, unmarked, _as_date(first), _as_date(last))
    is_there[np.searchsorted(keys, have_keys), have_days - first] = True
    for have_keys, have_days in _list_dates(conn, batch, marks.store_keys, first, last):
        is_there[np.searchsorted(keys, have_keys)[:, None], have_days - first] = True
    place, number = np.nonzero(~is_there)
    return np.stack((keys[place], number + first))


def _find_stale(conn: psycopg.Connection, batch: Batch, stores: Stores, marks: Marks) -> Int64s:
    """Return the cells with facts that a change since the marks can have touched."""
    policy = POLICIES[batch.policy]
    touched = find_touched_since(conn, policy, stores, marks)
    if not touched:
        return np.zeros((2, 0), dtype=np.int64)
    every = any(change.store_key == 0 for change in touched)
    chosen = marks.store_keys if every else np.unique([change.store_key for change in touched])
    first, last = min(change.first for change in touched), max(change.last for change in touched)
    keys, days = _list_days(conn, batch, chosen, _as_date(first), _as_date(last))
    cells = find_stale_cells(touched, stores, policy, keys, days)
    return np.stack((keys[cells], days[cells]))


def _as_date(day: int) -> date | None:
    """Return a day since 1970 as a date; None if it stands for no bound."""
    number = day + _EPOCH_DAY
    return date.fromordinal(number) if date.min.toordinal() <= number <= date.max.toordinal() else None


def _list_dates(
    conn: psycopg.Connection, batch: Batch, store_keys: Int64s, first: int, last: int
) -> Iterator[tuple[Int64s, Int64s]]:
    """Yield stores, and the days from `first` to `last` on which all of them have facts, by the sums of months.

    Marks vouch for these. Most stores have facts on the same dates.
    """
    asked = {
        "policy": batch.policy,
        "store_keys": key_array(store_keys),
        "first_day": _as_date(first),
        "last_day": _as_date(last),
    }
    for month, dates, packed in conn.execute(_SQL["dates"], asked, binary=True).fetchall():
        days = month + np.flatnonzero(dates >> np.arange(_LONGEST_MONTH) & 1)
        keys = np.frombuffer(packed, dtype=">i4").astype(np.int64)
        yield keys, days[(days >= first) & (days <= last)]


def _list_days(
    conn: psycopg.Connection,
    batch: Batch,
    store_keys: Int64s,
    first: date | None = None,
    last: date | None = None,
) -> Int64s:
    """Return the cells that have facts, as two rows: keys and days."""
    asked = {
        "policy": batch.policy,
        "store_keys": key_array(store_keys),
        "first_day": first,
        "last_day": last,
    }
    row = conn.execute(_SQL["days"], asked, binary=True).fetchone() if len(store_keys) else None
    packed = row[0] if row and row[0] else b""
    return np.frombuffer(packed, dtype=">i4").astype(np.int64).reshape(-1, 2).T
