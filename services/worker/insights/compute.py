"""Count the hours that a plan names. Reads polls, hours and adjustments as reports do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import psycopg

from services.worker.failing_stores import find_failing_stores
from services.worker.insights.plan import HoursPlan
from services.worker.load import Snapshot, read_hours, read_polls
from shared.clock import from_us
from shared.inputs.adjustments import NOTHING_STORED, read_adjustments
from shared.inputs.batch_input import BatchInput
from shared.inputs.data_range import DataRange
from shared.inputs.notes import read_notes
from shared.inputs.stores import Stores
from shared.insights.history import Minutes, ring_places
from shared.insights.hours import EVENTS_US, ZONES_US, count_minutes, count_open_minutes
from shared.insights.terms import COMING_DAYS, DAYS
from shared.reports.model import StoreFailure
from shared.uptime.intervals import Int64s
from shared.uptime.policy import DAY_US
from shared.uptime.states import Polls

# As many days of stores are counted at once, so that their polls fit into memory. Measured: a batch of 4,000 stores with 11
# polls a day took 350 MB at once.
_STORE_DAYS: Final = 7_000
# Stores that lack no more are counted apart from those that lack weeks.
_FEW_DAYS: Final = 14
_NO_POLLS: Final = Polls(
    np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
)


@dataclass(frozen=True)
class CountedHours:
    """Which stores of the plan have been counted, by key and place, and the open minutes of the days to come.

    The plan has their rings now. `failed`: stores without any.
    """

    keys: Int64s
    places: Int64s
    coming: Minutes
    failed: Sequence[StoreFailure]
    failed_keys: Sequence[int]


def count_hours(conn: psycopg.Connection, plan: HoursPlan, snapshot: Snapshot) -> CountedHours:
    """Count the planned hours in the caller's snapshot, and write them into the rings of the plan."""
    failed: dict[int, StoreFailure] = {}
    for places, first, days in _blocks(plan):
        stores = plan.stores.choose(places)
        given = _read_input(conn, stores, (first, days), snapshot, with_polls=True)
        count = partial(_count, first=first, days=days)
        (some, minutes), faults = find_failing_stores(given, count)
        failed |= {places[n]: StoreFailure(stores.ids[n], fault.reason, fault.detail) for n, fault in faults}
        counted = places[np.isin(np.array(stores.ids), some)]
        plan.rings[counted[:, None, None], np.arange(3)[:, None], ring_places(first, days)] = minutes
    keys = plan.stores.keys
    places = np.setdiff1d(np.flatnonzero(plan.first <= plan.last_day), list(failed))
    coming = np.zeros((len(places), COMING_DAYS * 24), dtype=np.uint8)
    if len(places):
        given = _read_input(
            conn, plan.stores.choose(places), (plan.last_day + 1, COMING_DAYS), snapshot, with_polls=False
        )
        coming = count_open_minutes(
            given.history, plan.last_day + 1, COMING_DAYS, adjustments=given.adjustments
        )
    failed_keys = [int(keys[place]) for place in failed]
    return CountedHours(keys[places], places, coming, list(failed.values()), failed_keys)


def _blocks(plan: HoursPlan) -> Iterator[tuple[Int64s, int, int]]:
    """Yield places of some stores with a range of days: those that lack a few days together, and then the others."""
    lacks_few = plan.first > plan.last_day - _FEW_DAYS
    for chosen, most_days in ((lacks_few & (plan.first <= plan.last_day), _FEW_DAYS), (~lacks_few, DAYS)):
        every, at_once = np.flatnonzero(chosen), _STORE_DAYS // most_days
        for start in range(0, len(every), at_once):
            places = every[start : start + at_once]
            first = int(plan.first[places].min())
            yield places, first, plan.last_day + 1 - first


def _read_input(
    conn: psycopg.Connection, stores: Stores, days: tuple[int, int], snapshot: Snapshot, *, with_polls: bool
) -> BatchInput:
    needed, wide = (_range_of(days, ZONES_US + more_us) for more_us in (0, EVENTS_US))
    hours = read_hours(conn, stores)
    stored = read_adjustments(conn, stores, snapshot.seq) if snapshot.adjusted_seq else NOTHING_STORED
    if not with_polls:
        return BatchInput(stores.ids, stores.zones, hours, _NO_POLLS, stored.in_range(hours, needed))
    notes = read_notes(conn, stores, (wide.from_time, wide.to_time), snapshot.seq)
    if len(notes):
        needed = wide
    polls = read_polls(conn, stores, needed, snapshot.sealed)
    return BatchInput(stores.ids, stores.zones, hours, polls, stored.in_range(hours, needed, notes))


def _range_of(days: tuple[int, int], margin_us: int) -> DataRange:
    """Return the instants of some days in all zones. `days`: the first one, and how many."""
    first = from_us(days[0] * DAY_US - margin_us)
    return DataRange(first, first, from_us(sum(days) * DAY_US + margin_us))


def _count(given: BatchInput, *, first: int, days: int) -> tuple[Sequence[str], Minutes]:
    minutes = count_minutes(given.history, first, days, adjustments=given.adjustments)
    return given.store_ids, minutes
