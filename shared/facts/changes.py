"""Which facts of a batch no longer hold, found by the ledger numbers of what has changed since."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import psycopg

from shared.clock import to_us
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.uptime.intervals import Int64s
from shared.uptime.policy import DAY_US, Policy, later_us, outage_history_us

_SQL = queries("store_days")
_EVERY_STORE: Final = 0
_EVER: Final = 1 << 40


@dataclass(frozen=True)
class TouchedDays:
    """A change can have touched the days from `first` to `last` (since 1970) of a store. `store_key` 0: of every store."""

    store_key: int
    first: int
    last: int


@dataclass(frozen=True)
class PollRange:
    """Polls later than `until` touch no fact that matters, and those before `since` neither. None: no bound."""

    until: datetime
    since: datetime | None = None


def find_touched(
    conn: psycopg.Connection, store_keys: Iterable[int] | Int64s, seq: int, polls: PollRange, policy: Policy
) -> list[TouchedDays]:
    """Return what changes after ledger number `seq` can have touched, in the caller's snapshot.

    Local dates are at most a day from those of UTC.
    """
    asked = {"store_keys": key_array(store_keys), "seq": seq}
    row = conn.execute(_SQL["have_terms_changed"], asked).fetchone()
    rows = conn.execute(_SQL["changed_terms"], asked).fetchall() if row and row[0] else []
    rows += _find_changed_polls(conn, {**asked, **vars(polls)})
    return [TouchedDays(*_days_around(row, policy)) for row in rows]


def _find_changed_polls(conn: psycopg.Connection, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for from_time, to_time in conn.execute(_SQL["changed_polls_ranges"], asked).fetchall():
        within = {**asked, "from_time": from_time, "to_time": to_time}
        # Planned each time: a generic plan would visit every week of the table.
        found += conn.execute(_SQL["changed_polls"], within, prepare=False).fetchall()
    return found


def _days_around(row: tuple[Any, ...], policy: Policy) -> tuple[int, int, int]:
    """A poll speaks for two horizons on both sides. Whether an outage began on a day depends on older ones too."""
    store_key, first, last = row
    first_day = -_EVER if first is None else (to_us(first) - later_us(policy)) // DAY_US - 1
    last_day = _EVER if last is None else (to_us(last) + outage_history_us(policy)) // DAY_US + 1
    return store_key, first_day, last_day


def touched_cells(touched: Sequence[TouchedDays], store_keys: Int64s, days: Int64s) -> Iterator[Int64s]:
    """Yield the indexes of the cells, given by store and day, that each change can have touched."""
    for change in touched:
        of_store = (store_keys == change.store_key) | (change.store_key == _EVERY_STORE)
        yield np.flatnonzero(of_store & (days >= change.first) & (days <= change.last))


def last_instant(last_day: int, policy: Policy) -> timedelta:
    """Return how long after 1970 the last poll lies that can touch a day."""
    return timedelta(days=last_day + 2, microseconds=later_us(policy))


def first_instant(first_day: int, policy: Policy) -> timedelta:
    """Return how long after 1970 the first poll lies that can touch a day."""
    return timedelta(days=first_day - 2, microseconds=-outage_history_us(policy))
