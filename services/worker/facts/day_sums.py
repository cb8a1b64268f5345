"""Add up the daily facts of stores over ranges of days, from the sums of whole months where these cover them."""

from typing import Final

import numpy as np
import psycopg

from services.worker.facts.months import months_of
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.uptime.intervals import Int64s

_SQL = queries("store_days")
_LONGEST_MONTH: Final = 31
# How many days, and the times in the order of `WholeDays`.
COLUMNS: Final = 6


def sum_days(
    conn: psycopg.Connection, policy: str, store_keys: Int64s, first: Int64s, until: Int64s, latest: int
) -> Int64s:
    """Return a row for each store: how many facts it has from day `first` up to `until`, and their sums.

    Days count since 1970. `latest` is the last day on which any of the stores has a fact.

    Each edge is moved to the nearer turn of a month. The days between are added, or taken away, one by one.
    """
    sums = np.zeros((len(store_keys), COLUMNS), dtype=np.int64)
    # Zones share few ranges.
    ranges, of_store = np.unique(np.stack((first, until), axis=1), axis=0, return_inverse=True)
    for number, (some_first, some_until) in enumerate(ranges.tolist()):
        places = np.flatnonzero(of_store.ravel() == number)
        places = places[np.argsort(store_keys[places])]
        asked = {"policy": policy, "store_keys": key_array(store_keys[places])}
        edges = _edges(some_first, some_until, latest)
        # Planned each time: a generic plan would visit every month of the table.
        found = conn.execute(_SQL["sums"], {**asked, **edges}, prepare=False).fetchall()
        rows = np.array(found, dtype=np.int64).reshape(-1, COLUMNS + 1)
        sums[places[np.searchsorted(store_keys[places], rows[:, 0])]] = rows[:, 1:]
    return sums


def _edges(first: int, until: int, latest: int) -> dict[str, int]:
    """Return the whole months of a range, and the days to add or to take away at both ends."""
    begin, end = _nearest_turns(np.array([first, until]), latest).tolist()
    if begin > end:
        begin = end = first
    return {
        "month_from": begin,
        "month_until": end,
        "head_sign": 1 if first < begin else -1,
        "head_from": min(first, begin),
        "head_until": max(first, begin),
        "tail_sign": 1 if end < until else -1,
        "tail_from": min(until, end),
        "tail_until": max(until, end),
    }


def _nearest_turns(day: Int64s, latest: int) -> Int64s:
    """Return the turn of a month with the fewest facts between it and each day."""
    before = months_of(day)
    after = np.where(day == before, day, months_of(before + _LONGEST_MONTH))
    facts_after = np.maximum(np.minimum(after, latest + 1) - day, 0)
    turn: Int64s = np.where(facts_after < day - before, after, before)
    return turn
