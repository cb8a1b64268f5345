"""How much of the excluded time each reason with a cap has, for the stores that have closures with such a reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import psycopg

from services.worker.levels.period_times import DayRange
from services.worker.load import Snapshot, read_hours
from shared.clock import from_us
from shared.db.queries import queries
from shared.inputs.adjustments import read_adjustments
from shared.inputs.batch_input import BatchInput
from shared.inputs.data_range import DataRange
from shared.inputs.stores import Stores, find_places
from shared.uptime.closures import NEVER_US, Closures, Treatment
from shared.uptime.days import measure_days
from shared.uptime.intervals import Int64s
from shared.uptime.policy import DAY_US, Policy
from shared.uptime.states import Polls

_SQL = queries("adjustments")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAYS_AT_ONCE: Final = 31
# A reason without a cap comes first, so that time which it covers too uses no cap.
_WITHOUT_CAP: Final = 0


@dataclass(frozen=True)
class _RankedClosures:
    """Closures that exclude: `store_key`, start and end, and the rank of the reason: 0, or 1 and more for those with a cap."""

    store_key: Int64s
    starts_us: Int64s
    ends_us: Int64s
    rank: Int64s

    def up_to(self, rank: int, stores: Stores) -> Closures:
        """Return those of some stores with this rank or a lower one."""
        chosen = np.flatnonzero((self.rank <= rank) & np.isin(self.store_key, stores.keys))
        return Closures(
            find_places(stores, self.store_key[chosen]),
            self.starts_us[chosen],
            self.ends_us[chosen],
            np.full(len(chosen), Treatment.EXCLUDE.value),
        )


def part_excluded(
    conn: psycopg.Connection,
    stores: Stores,
    policy: Policy,
    days: DayRange,
    reasons: Sequence[str],
    snapshot: Snapshot,
) -> Int64s:
    """Return the excluded time of each reason in shape (reasons, stores, days passed), in the caller's snapshot.

    Where closures with several reasons overlap, the time is that of the first reason in this order: those without a cap,
    then `reasons`. A reason's time is what its closures add to those before it.
    """
    parts = np.zeros((len(reasons), len(stores.keys), days.passed), dtype=np.int64)
    if not reasons or not snapshot.adjusted_seq:
        return parts
    closures = _read_closures(conn, stores, reasons, snapshot)
    concerned = np.isin(stores.keys, closures.store_key[closures.rank > _WITHOUT_CAP])
    if not concerned.any():
        return parts
    places = np.flatnonzero(concerned)
    some = Stores(
        stores.keys[places],
        [stores.ids[n] for n in places.tolist()],
        [stores.zones[n] for n in places.tolist()],
    )
    given = _read_schedules(conn, some, days, snapshot)
    sums = [
        _measure_excluded(given, closures.up_to(rank, some), policy, days) for rank in range(len(reasons) + 1)
    ]
    parts[:, places] = np.diff(sums, axis=0)
    return parts


def _read_closures(
    conn: psycopg.Connection, stores: Stores, reasons: Sequence[str], snapshot: Snapshot
) -> _RankedClosures:
    asked = {"store_keys": stores.keys.tolist(), "seq": snapshot.seq}
    rank = {reason: number for number, reason in enumerate(reasons, 1)}
    rows = [
        (store_key, starts_us, NEVER_US if ends_us is None else ends_us, rank.get(reason, _WITHOUT_CAP))
        for store_key, starts_us, ends_us, treatment, reason in conn.execute(_SQL["closures"], asked)
        if treatment == Treatment.EXCLUDE.name.lower()
    ]
    return _RankedClosures(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def _read_schedules(
    conn: psycopg.Connection, stores: Stores, days: DayRange, snapshot: Snapshot
) -> BatchInput:
    hours = read_hours(conn, stores)
    from_time, to_time = (from_us(day * DAY_US) for day in (days.first - 1, days.through + 2))
    needed = DataRange(from_time, from_time, to_time)
    adjustments = read_adjustments(conn, stores, snapshot.seq).in_range(hours, needed)
    none = np.zeros(0, dtype=np.int64)
    no_polls = Polls(none, none, np.zeros(0, dtype=np.bool_))
    return BatchInput(stores.ids, stores.zones, hours, no_polls, adjustments)


def _measure_excluded(given: BatchInput, closures: Closures, policy: Policy, days: DayRange) -> Int64s:
    """Return the time that closures exclude, in shape (stores, days). It does not depend on polls."""
    adjustments = replace(given.adjustments, closures=closures)
    blocks = [
        measure_days(
            given.history,
            date.fromordinal(first + _EPOCH_DAY),
            min(_DAYS_AT_ONCE, days.through + 1 - first),
            policy,
            adjustments=adjustments,
        ).measures.excluded_us
        for first in range(days.first, days.through + 1, _DAYS_AT_ONCE)
    ]
    return np.concatenate(blocks, axis=1)
