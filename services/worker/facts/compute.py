"""The numbers of the days that a plan names. Reads polls, hours and adjustments as reports do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

import numpy as np
import psycopg

from services.worker.batch_tables import BatchTables
from services.worker.earlier_polls import add_earlier_polls
from services.worker.facts.plan import FactPlan
from services.worker.failing_stores import find_failing_stores
from services.worker.load import Snapshot, read_hours, read_polls
from services.worker.packed_polls import PackedPolls
from shared.clock import from_us
from shared.facts.final_days import span_us
from shared.inputs.adjustments import NOTHING_STORED, read_adjustments
from shared.inputs.batch_input import BatchInput
from shared.inputs.data_range import DataRange
from shared.inputs.notes import read_notes
from shared.inputs.stores import Stores
from shared.reports.batch import Batch
from shared.reports.model import StoreFailure
from shared.uptime.days import DayMeasures, day_edges_us, measure_days
from shared.uptime.intervals import Int64s
from shared.uptime.policy import (
    POLICIES,
    Policy,
    every_poll_us,
    history_us,
    later_us,
    outage_history_us,
)
from shared.uptime.states import Polls

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# A longer gap between days is not read over, and no more days are measured at once.
_NEAR_DAYS: Final = 10
_DAYS_AT_ONCE: Final = 31
MEASURES: Final = (
    "scheduled_us", "excluded_us", "open_us", "up_us", "down_us", "unknown_us", "up_min_us", "up_max_us", "polls",
)  # fmt: skip


# Takes the range of the needed polls, and when the last day ends.
FindInput = Callable[[DataRange, int], tuple[BatchTables, Polls] | None]


def _find_nothing(needed: DataRange, ends_us: int) -> None:
    del needed, ends_us


@dataclass(frozen=True)
class Facts:
    """Rows of `store_day`: the columns are key, day since 1970, `MEASURES` and outages. `failed`: stores without any."""

    rows: Int64s
    failed: Sequence[StoreFailure]
    failed_keys: Sequence[int]


def compute_facts(
    conn: psycopg.Connection,
    batch: Batch,
    plan: FactPlan,
    snapshot: Snapshot,
    find: FindInput = _find_nothing,
) -> Facts:
    """Compute the planned days in the caller's snapshot. `find` returns what is known of all stores of the batch, if anything."""
    return compute_days(conn, POLICIES[batch.policy], plan, snapshot, find)


def compute_days(
    conn: psycopg.Connection,
    policy: Policy,
    plan: FactPlan,
    snapshot: Snapshot,
    find: FindInput = _find_nothing,
) -> Facts:
    """Compute the planned days from the polls that there are, final or not, in the caller's snapshot."""
    rows = [np.zeros((0, len(MEASURES) + 3), dtype=np.int64)]
    failed: dict[str, StoreFailure] = {}
    for cells in _blocks(plan.days):
        is_in = np.isin(plan.stores.keys, plan.store_keys[cells])
        of_all = bool(is_in.all())
        stores = plan.stores if of_all else plan.stores.choose(np.flatnonzero(is_in))
        first, last = int(plan.days[cells].min()), int(plan.days[cells].max())
        given = _read_input(conn, policy, stores, (first, last), snapshot, find if of_all else _find_nothing)
        measure = partial(_measure, policy=policy, days=(first, last))
        (some, measured), faults = find_failing_stores(given, measure)
        for place, fault in faults:
            failed[given.store_ids[place]] = StoreFailure(given.store_ids[place], fault.reason, fault.detail)
        if measured is not None:
            wanted = plan.store_keys[cells], plan.days[cells]
            rows.append(_rows(stores, some, measured, wanted, (first, last)))
    keys = dict(zip(plan.stores.ids, plan.stores.keys.tolist(), strict=True))
    every = np.concatenate(rows)
    failed_keys = [keys[store_id] for store_id in failed]
    return Facts(every[~np.isin(every[:, 0], failed_keys)], list(failed.values()), failed_keys)


def _blocks(days: Int64s) -> Iterator[Int64s]:
    """Yield the cells in blocks of near days, at most `_DAYS_AT_ONCE` from the first to the last."""
    order = np.argsort(days, kind="stable")
    distinct, begins = np.unique(days[order], return_index=True)
    bounds = zip(distinct.tolist(), begins.tolist(), strict=True)
    first_day = before = distinct[0] if len(distinct) else 0
    first = 0
    for day, begin in bounds:
        if day - before > _NEAR_DAYS or day - first_day >= _DAYS_AT_ONCE:
            yield order[first:begin]
            first, first_day = begin, day
        before = day
    if len(order):
        yield order[first:]


def _read_input(
    conn: psycopg.Connection,
    policy: Policy,
    stores: Stores,
    days: tuple[int, int],
    snapshot: Snapshot,
    find: FindInput,
) -> BatchInput:
    """Return what the first day needs, and all polls from there on."""
    first_us, last_us = span_us(stores, *days)
    until_us = last_us + later_us(policy)
    needed = DataRange(
        from_us(first_us - history_us(policy)),
        from_us(first_us - every_poll_us(policy)),
        from_us(until_us),
    )
    # From memory with a horizon more: so most polls from before stores closed are there.
    wider = needed._replace(every_from=needed.every_from - timedelta(microseconds=policy.horizon_us))
    found = find(wider, last_us) or _read(conn, stores, needed, snapshot)
    (_, hours, stored), polls = found
    touched = needed._replace(from_time=from_us(first_us - outage_history_us(policy)))
    notes = read_notes(conn, stores, (touched.from_time, touched.to_time), snapshot.seq)
    given = BatchInput(stores.ids, stores.zones, hours, polls, stored.in_range(hours, touched, notes))
    first = date.fromordinal(days[0] + _EPOCH_DAY)
    return add_earlier_polls(
        conn,
        stores,
        given,
        policy,
        lambda zones: (day_edges_us(zones, first, 1)[:, 0], until_us),
        snapshot.sealed,
    )


def _read(
    conn: psycopg.Connection, stores: Stores, needed: DataRange, snapshot: Snapshot
) -> tuple[BatchTables, Polls]:
    hours = read_hours(conn, stores)
    stored = read_adjustments(conn, stores, snapshot.seq) if snapshot.adjusted_seq else NOTHING_STORED
    polls = PackedPolls.in_order(read_polls(conn, stores, needed, snapshot.sealed), stores, needed).unpacked()
    return BatchTables(stores, hours, stored), polls


def _measure(
    given: BatchInput, *, policy: Policy, days: tuple[int, int]
) -> tuple[BatchInput, DayMeasures | None]:
    if not given.store_ids:
        return given, None
    first, number = date.fromordinal(days[0] + _EPOCH_DAY), days[1] - days[0] + 1
    return given, measure_days(given.history, first, number, policy, adjustments=given.adjustments)


def _rows(
    stores: Stores,
    some: BatchInput,
    measured: DayMeasures,
    wanted: tuple[Int64s, Int64s],
    days: tuple[int, int],
) -> Int64s:
    """Return the rows of the wanted cells."""
    width = days[1] - days[0] + 1
    keys = np.repeat(_keys_of(stores, some), width)
    numbers = np.tile(np.arange(days[0], days[1] + 1), len(some.store_ids))
    values = [getattr(measured.measures, name).ravel() for name in MEASURES]
    table = np.column_stack((keys, numbers, *values, measured.outages.ravel()))
    is_wanted = np.isin(keys * width + numbers - days[0], wanted[0] * width + wanted[1] - days[0])
    return table[is_wanted]


def _keys_of(stores: Stores, some: BatchInput) -> Int64s:
    if len(some.store_ids) == len(stores.ids):
        return stores.keys
    key_of = dict(zip(stores.ids, stores.keys.tolist(), strict=True))
    return np.array([key_of[store_id] for store_id in some.store_ids], dtype=np.int64)
