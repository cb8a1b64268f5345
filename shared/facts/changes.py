"""Which facts of a batch no longer hold, found by the ledger numbers of what has changed since."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import psycopg

from shared.clock import to_us
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.uptime.intervals import Int64s, expand_ranges
from shared.uptime.policy import DAY_US, Policy, later_us, outage_history_us

_SQL = queries("store_days")
_EVERY_STORE: Final = 0
_EVER: Final = 1 << 40
_EVER_US: Final = 1 << 62
_NO_PAIRS: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class TouchedDays:
    """A change can have touched the days from `first` to `last` (since 1970) of a store. `store_key` 0: of every store.

    `first` allows for any time zone. No day that is final at `from_us`, the first instant that changed, is touched.
    """

    store_key: int
    first: int
    last: int
    from_us: int


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


def _days_around(row: tuple[Any, ...], policy: Policy) -> tuple[int, int, int, int]:
    """A poll speaks for two horizons on both sides. Whether an outage began on a day depends on older ones too."""
    store_key, first, last = row
    first_day = -_EVER if first is None else (to_us(first) - later_us(policy)) // DAY_US - 1
    last_day = _EVER if last is None else (to_us(last) + outage_history_us(policy)) // DAY_US + 1
    return store_key, first_day, last_day, -_EVER_US if first is None else to_us(first)


def touched_pairs(touched: Sequence[TouchedDays], store_keys: Int64s, days: Int64s) -> tuple[Int64s, Int64s]:
    """Return each change and cell that it can have touched, both by their indexes.

    After a day of polls there is a change for each store: the cells are sorted once, and searched for all changes.
    """
    if not len(days) or not touched:
        return _NO_PAIRS, _NO_PAIRS
    earliest, latest = int(days.min()), int(days.max())
    width = latest - earliest + 2
    place = store_keys * width + days - earliest
    order = np.argsort(place, kind="stable")
    changes = np.array([(each.store_key, each.first, each.last) for each in touched], dtype=np.int64)
    begin = np.clip(changes[:, 1], earliest, latest + 1) - earliest
    end = np.clip(changes[:, 2], earliest - 1, latest) - earliest
    of_one = np.flatnonzero(changes[:, 0] != _EVERY_STORE)
    line = changes[of_one, 0] * width
    first = np.searchsorted(place[order], line + begin[of_one])
    until = np.searchsorted(place[order], line + end[of_one], side="right")
    number, found = expand_ranges(first, np.maximum(until - first, 0))
    pairs = [(of_one[number], order[found])]
    for change in np.flatnonzero(changes[:, 0] == _EVERY_STORE):
        cells = np.flatnonzero((days >= changes[change, 1]) & (days <= changes[change, 2]))
        pairs.append((np.full(len(cells), change), cells))
    change_of, cell_of = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return change_of, cell_of


def last_instant(last_day: int, policy: Policy) -> timedelta:
    """Return how long after 1970 the last poll lies that can touch a day."""
    return timedelta(days=last_day + 2, microseconds=later_us(policy))


def first_instant(first_day: int, policy: Policy) -> timedelta:
    """Return how long after 1970 the first poll lies that can touch a day."""
    return timedelta(days=first_day - 2, microseconds=-outage_history_us(policy))
