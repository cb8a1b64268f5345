"""Weeks of polls: each is a partition that begins on a Monday at 00:00 UTC, and has a unique index or is unindexed.

A bulk load leaves the weeks that it creates unindexed until it ends, because an index is faster to build than to maintain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.write.sealed_weeks import refuse_sealed
from shared.clock import from_us, to_us
from shared.db.queries import queries

_SQL = queries("ingest")
_WEEK_US = 7 * 86_400_000_000
_FIRST_MONDAY_US = 4 * 86_400_000_000  # 1970-01-05


@dataclass(frozen=True)
class WeekState:
    """Whether the week was created just now, and whether it has no index yet."""

    is_created: bool
    is_unindexed: bool


def number_weeks(at_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each instant's week, counted from 1970-01-05."""
    return (at_us - _FIRST_MONDAY_US) // _WEEK_US


def list_weeks(week: NDArray[np.int64]) -> list[int]:
    """Return the numbers of weeks that occur, sorted. Counting takes a tenth of the time of sorting or hashing them."""
    if not len(week):
        return []
    first = int(week.min())
    found: list[int] = (np.flatnonzero(np.bincount(week - first)) + first).tolist()
    return found


def monday_us(week: int) -> int:
    """Return when the week begins, in microseconds since 1970."""
    return week * _WEEK_US + _FIRST_MONDAY_US


def ensure_weeks(conn: psycopg.Connection, weeks: Sequence[int], *, indexed: bool) -> dict[int, WeekState]:
    """Create the partitions of missing weeks, with their index if `indexed`. Return the state of all the weeks.

    Raise `WeekSealed`. The caller holds the writer lock.
    """
    mondays = [from_us(monday_us(week)) for week in weeks]
    refuse_sealed(conn, mondays)
    rows = conn.execute(_SQL["ensure_weeks"], {"mondays": mondays, "indexed": indexed})
    return {
        (to_us(monday) - _FIRST_MONDAY_US) // _WEEK_US: WeekState(created, unindexed)
        for monday, created, unindexed in rows
    }
