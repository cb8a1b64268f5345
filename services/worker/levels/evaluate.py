"""Evaluate a service level for all of its stores, chunk by chunk, in one snapshot."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from services.worker.levels.capped_reasons import part_excluded
from services.worker.levels.period_times import DayRange, read_times
from services.worker.load import Snapshot
from shared.db.queries import queries
from shared.inputs.stores import Stores
from shared.service_levels.terms import LevelTerms
from shared.uptime.intervals import Int64s
from shared.uptime.level_period import PeriodDates, ended_everywhere, find_dates
from shared.uptime.policy import POLICIES
from shared.uptime.service_level import DayTimes, ExcludedTime, LevelState, Tally, count_days, find_states

_SQL = queries("service_levels")
# A year of 500 stores is 25 MB of times.
_STORES_AT_ONCE: Final = 500
STATES: Final = [state.name.lower() for state in LevelState]
TALLY: Final = tuple(Tally.__slots__)
COLUMNS: Final = (
    "store_key", "state", *TALLY, "unknown_us", "excluded_us", "over_cap_us", "days_missing",
)  # fmt: skip


@dataclass(frozen=True)
class LevelEvaluation:
    """The rows of a level's stores (`COLUMNS`), the total, and what they were made from. `ago`: 0 is the current period."""

    ago: int
    dates: PeriodDates
    through: date
    as_of: datetime
    data_cut: int
    rows: Int64s
    total: Tally
    state: int
    failed: int

    @property
    def days_missing(self) -> int:
        """Days of all stores that are neither in a fact that holds nor can be computed."""
        return int(self.rows[:, -1].sum())

    def count_states(self) -> dict[str, int]:
        """Return the number of stores in each state."""
        counts = np.bincount(self.rows[:, 1], minlength=len(STATES)).tolist()
        return dict(zip(STATES, counts, strict=True))


def evaluate_level(
    conn: psycopg.Connection, terms: LevelTerms, snapshot: Snapshot, as_of: datetime, ago: int
) -> LevelEvaluation:
    """Evaluate the period that many periods ago, in the caller's snapshot."""
    through = ended_everywhere(as_of)
    dates = find_dates(terms.period, through, ago=ago)
    days = DayRange.of_dates(dates.first, through, dates.last)
    tables, failed = [np.zeros((0, len(COLUMNS)), dtype=np.int64)], 0
    for stores in _read_stores(conn, terms):
        table, failed_here = _evaluate_stores(conn, terms, stores, days, snapshot)
        tables.append(table)
        failed += failed_here
    rows = np.concatenate(tables)
    total = Tally(*rows[:, 2 : 2 + len(TALLY)].T).sum()
    state = int(find_states(total, terms.target_ppm)[0])
    return LevelEvaluation(
        ago, dates, min(through, dates.last), as_of, snapshot.seq, rows, total, state, failed
    )


def _read_stores(conn: psycopg.Connection, terms: LevelTerms) -> Iterator[Stores]:
    rows = conn.execute(_SQL["level_stores"], {"labels": Jsonb(dict(terms.labels))}).fetchall()
    for first in range(0, len(rows), _STORES_AT_ONCE):
        keys, ids, zones = zip(*rows[first : first + _STORES_AT_ONCE], strict=True)
        yield Stores(np.array(keys, dtype=np.int64), ids, zones)


def _evaluate_stores(
    conn: psycopg.Connection, terms: LevelTerms, stores: Stores, days: DayRange, snapshot: Snapshot
) -> tuple[Int64s, int]:
    policy, reasons = POLICIES[terms.policy], terms.capped_reasons
    times = read_times(conn, stores, policy, days, snapshot)
    good = np.flatnonzero(~times.failed)
    some = Stores(
        stores.keys[good], [stores.ids[n] for n in good.tolist()], [stores.zones[n] for n in good.tolist()]
    )
    is_known = times.is_known[good]
    parts_us = part_excluded(conn, some, policy, days, reasons, snapshot) * is_known
    passed = DayTimes(
        times.up_us[good], times.down_us[good], times.unknown_us[good], times.excluded_us[good], parts_us
    )
    ahead_us = times.ahead_open_us[good]
    if terms.excluded is ExcludedTime.UP:
        ahead_us = ahead_us + times.ahead_excluded_us[good]
    tally = count_days(passed, ahead_us, terms.rule)
    caps_us = np.array(terms.rule.caps_us, dtype=np.int64)[:, None]
    over_us = np.maximum(parts_us.sum(axis=2) - caps_us, 0).sum(axis=0)
    table = np.column_stack(
        (
            some.keys,
            find_states(tally, terms.target_ppm),
            *(getattr(tally, name) for name in TALLY),
            passed.unknown_us.sum(axis=1),
            passed.excluded_us.sum(axis=1) - over_us,
            over_us,
            (~is_known).sum(axis=1),
        )
    )
    return table, len(stores.keys) - len(good)
