"""The times of a period's days for some stores: from facts where they hold, from polls where they can be read."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import psycopg

from services.worker.facts.compute import MEASURES, compute_days
from services.worker.facts.plan import FactPlan
from services.worker.facts.stale_cells import find_stale_cells
from services.worker.load import Snapshot
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.facts.marks import NO_MARKS, find_touched_since, first_computable_day, read_marks
from shared.inputs.stores import Stores, find_places
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.policy import Policy

_SQL = queries("service_levels")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_RECORD: Final = np.dtype([("store_key", ">i4"), ("day", ">i4"), ("times", ">i8", 4)])
_TIMES: Final = ("up_us", "down_us", "unknown_us", "excluded_us")
# In the rows of computed days: after the key and the day.
_COLUMNS: Final = [2 + MEASURES.index(name) for name in _TIMES]
_OPEN: Final = 2 + MEASURES.index("open_us")
# Older days without a fact would cost what a report over them costs, at each evaluation.
_FROM_POLLS_DAYS: Final = 62


@dataclass(frozen=True)
class DayRange:
    """Days since 1970: from `first` up to `through`, which have passed, and on to `last`, which are ahead."""

    first: int
    through: int
    last: int

    @classmethod
    def of_dates(cls, first: date, through: date, last: date) -> "DayRange":
        """Return the range of these dates. `through` is cut to the last one."""
        numbers = [day.toordinal() - _EPOCH_DAY for day in (first, min(through, last), last)]
        return cls(*numbers)

    @property
    def passed(self) -> int:
        """How many days have passed."""
        return self.through - self.first + 1


@dataclass(frozen=True)
class PeriodTimes:
    """Times in shape (stores, days passed), where unknown days are zero, and time ahead for each store. `failed`: without any."""

    up_us: Int64s
    down_us: Int64s
    unknown_us: Int64s
    excluded_us: Int64s
    is_known: Bools
    ahead_open_us: Int64s
    ahead_excluded_us: Int64s
    failed: Bools


def read_times(
    conn: psycopg.Connection, stores: Stores, policy: Policy, days: DayRange, snapshot: Snapshot
) -> PeriodTimes:
    """Return the times of stores in the caller's snapshot.

    1. Take each day from its fact, if no later change can have touched it.
    2. Compute the others from polls, if they are among the last `_FROM_POLLS_DAYS` and no poll was dropped.
    3. Compute what is ahead: its open time is known from the hours.
    """
    first_computable = first_computable_day(conn, policy)
    times, is_known = _read_facts(conn, stores, policy, days, first_computable)
    place, day = np.nonzero(~is_known)
    recent = np.flatnonzero(day + days.first > days.through - _FROM_POLLS_DAYS)
    place, day = place[recent], day[recent] + days.first
    computable = day >= first_computable
    ahead = np.arange(days.through + 1, days.last + 1)
    keys = np.concatenate((stores.keys[place[computable]], np.repeat(stores.keys, len(ahead))))
    wanted = np.concatenate((day[computable], np.tile(ahead, len(stores.keys))))
    plan = FactPlan(stores, NO_MARKS, keys, wanted, np.zeros(len(keys), dtype=np.bool_))
    found = compute_days(conn, policy, plan, snapshot)
    places, numbers = find_places(stores, found.rows[:, 0]), found.rows[:, 1]
    has_passed = numbers <= days.through
    cell = places[has_passed], numbers[has_passed] - days.first
    times[cell] = found.rows[has_passed][:, _COLUMNS]
    is_known[cell] = True
    later = np.flatnonzero(~has_passed)
    # Sums of whole microseconds of a month are exact in floating point.
    ahead_open_us, ahead_excluded_us = (
        np.bincount(places[later], found.rows[later, column], len(stores.keys)).astype(np.int64)
        for column in (_OPEN, _COLUMNS[-1])
    )
    up_us, down_us, unknown_us, excluded_us = np.moveaxis(times, 2, 0)
    failed = np.isin(stores.keys, found.failed_keys)
    return PeriodTimes(
        up_us, down_us, unknown_us, excluded_us, is_known, ahead_open_us, ahead_excluded_us, failed
    )


def _read_facts(
    conn: psycopg.Connection, stores: Stores, policy: Policy, days: DayRange, first_computable: int
) -> tuple[Int64s, Bools]:
    """Return the times of the days whose facts hold, in shape (stores, days, times), and which these are.

    Facts of days before `first_computable` are all that is left of them, so no change touches them.
    """
    times = np.zeros((len(stores.keys), days.passed, len(_TIMES)), dtype=np.int64)
    is_known = np.zeros(times.shape[:2], dtype=np.bool_)
    marks = read_marks(conn, policy, stores.keys)
    marks = marks.keep(marks.is_valid)
    if not len(marks):
        return times, is_known
    asked = {
        "policy": policy.name,
        "store_keys": key_array(marks.store_keys),
        "first_day": date.fromordinal(days.first + _EPOCH_DAY),
        "last_day": date.fromordinal(days.through + _EPOCH_DAY),
    }
    # Planned each time, so that only the partitions of the period are read.
    packed = conn.execute(_SQL["facts"], asked, binary=True, prepare=False).fetchone()
    records = np.frombuffer(packed[0] if packed and packed[0] else b"", dtype=_RECORD)
    keys, numbers = (records[name].astype(np.int64) for name in ("store_key", "day"))
    holds = np.ones(len(records), dtype=np.bool_)
    touched = find_touched_since(conn, policy, stores, marks)
    cells = find_stale_cells(touched, stores, policy, keys, numbers)
    holds[cells[numbers[cells] >= first_computable]] = False
    cell = find_places(stores, keys[holds]), numbers[holds] - days.first
    times[cell] = records["times"][holds]
    is_known[cell] = True
    return times, is_known
