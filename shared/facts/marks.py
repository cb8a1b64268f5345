"""Up to which ledger number the facts of stores hold, and whether that can be checked."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

import numpy as np
import psycopg

from shared.db.queries import queries
from shared.facts.changes import PollRange, TouchedDays, find_touched, last_instant
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.policy import DAY_US, POLICY_VERSION, Policy, later_us, outage_history_us
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("store_days")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_WEEK_DAYS: Final = 7
# The changes of ten days with a group of live polls each second.
_MOST_CHANGES: Final = 1_000_000


class Mark(NamedTuple):
    """All facts of a store hold up to the ledger number `seq`. `last_day`: the latest fact. `is_valid`: it can be checked."""

    store_key: int
    seq: int
    last_day: date | None
    is_valid: bool


def read_marks(conn: psycopg.Connection, policy: Policy, store_keys: Sequence[int]) -> list[Mark]:
    """Return the marks of stores.

    One cannot be checked if the ledger has forgotten changes after it, or if other rules or time zones made the facts.
    """
    asked: dict[str, Any] = {"policy": policy.name, "store_keys": list(store_keys)}
    rows = conn.execute(_SQL["marks"], asked).fetchall()
    if not rows:
        return []
    readable_from = read_readable_from(conn)
    made = (POLICY_VERSION, tzdata_version())
    return [
        Mark(key, seq, last_day, is_valid=seq >= readable_from and (policy_version, tzdata) == made)
        for key, seq, last_day, policy_version, tzdata in rows
    ]


def read_readable_from(conn: psycopg.Connection) -> int:
    """Return the ledger number from which on a mark can be checked."""
    ((readable_from,),) = conn.execute(_SQL["readable_from"], {"most_changes": _MOST_CHANGES}).fetchall()
    return int(readable_from)


def find_touched_since(conn: psycopg.Connection, policy: Policy, marks: Sequence[Mark]) -> list[TouchedDays]:
    """Return which days changes after the oldest of valid marks can have touched."""
    latest = [mark.last_day for mark in marks if mark.last_day is not None]
    if not latest:
        return []
    until = _EPOCH + last_instant(max(latest).toordinal() - _EPOCH_DAY, policy)
    keys = [mark.store_key for mark in marks if mark.last_day is not None]
    return find_touched(conn, keys, min(mark.seq for mark in marks), PollRange(until), policy)


def have_polls(conn: psycopg.Connection, first: Int64s, last: Int64s, policy: Policy) -> Bools:
    """Return whether no week was dropped that the days from `first` to `last` (since 1970) need."""
    before, after = (us // DAY_US + 2 for us in (outage_history_us(policy), later_us(policy)))
    complete = np.ones(len(first), dtype=np.bool_)
    for (week,) in conn.execute(_SQL["dropped_weeks"]).fetchall():
        complete &= (last + after < week) | (first - before >= week + _WEEK_DAYS)
    return complete
