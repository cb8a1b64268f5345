"""Up to which ledger number the facts of stores hold, and whether that can be checked."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

import psycopg

from shared.db.queries import queries
from shared.db.text_arrays import int_array
from shared.facts.changes import PollRange, TouchedDays, find_touched, last_instant
from shared.uptime.policy import DAY_US, POLICY_VERSION, Policy, history_us
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("store_days")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# Before all days.
_ALWAYS: Final = -(1 << 40)
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
    asked: dict[str, Any] = {"policy": policy.name, "store_keys": int_array(store_keys)}
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


def first_computable_day(conn: psycopg.Connection, policy: Policy) -> int:
    """Return the first day (since 1970) that can be computed from polls: retention has dropped none that it needs.

    Facts of earlier days are all that is left of them. Local dates are at most a day from those of UTC.
    """
    row = conn.execute(_SQL["polls_from"]).fetchone()
    if row is None or row[0] is None:
        return _ALWAYS
    return int(row[0]) - -history_us(policy) // DAY_US + 1
