"""Up to which ledger number the facts of stores hold, and whether that can be checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import psycopg

from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.facts.changes import PollRange, TouchedDays, find_touched
from shared.facts.final_days import last_change
from shared.inputs.stores import Stores
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.policy import DAY_US, POLICY_VERSION, Policy, history_us
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("store_days")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# Before all days.
NEVER: Final = -(1 << 40)
# The changes of ten days with a group of live polls each second.
_MOST_CHANGES: Final = 1_000_000


@dataclass(frozen=True)
class Marks:
    """All facts of a store hold up to the ledger number `seq`. `last_day`: the latest fact, or `NEVER`.

    `is_valid`: it can be checked. One element per store that has a mark, by key. Days count since 1970.
    """

    store_keys: Int64s
    seq: Int64s
    last_day: Int64s
    is_valid: Bools

    def __len__(self) -> int:
        return len(self.store_keys)

    def keep(self, chosen: Bools) -> "Marks":
        """Return some of the marks."""
        return Marks(self.store_keys[chosen], self.seq[chosen], self.last_day[chosen], self.is_valid[chosen])


_NONE: Final = np.zeros(0, dtype=np.int64)
NO_MARKS: Final = Marks(_NONE, _NONE, _NONE, _NONE > 0)


def read_marks(conn: psycopg.Connection, policy: Policy, store_keys: Int64s | None) -> Marks:
    """Return the marks of stores, or of all stores.

    One cannot be checked if the ledger has forgotten changes after it, or if other rules or time zones made the facts.
    """
    chosen = None if store_keys is None else key_array(store_keys)
    asked: dict[str, Any] = {"policy": policy.name, "store_keys": chosen}
    groups = conn.execute(_SQL["mark_groups"], asked, binary=True).fetchall()
    readable_from = read_readable_from(conn) if groups else 0
    made = (POLICY_VERSION, tzdata_version())
    keys = [_NONE, *(np.frombuffer(group[-1], dtype=">i4") for group in groups)]
    store_key = np.concatenate(keys).astype(np.int64)
    order = np.argsort(store_key)
    sizes = [len(some) for some in keys[1:]]

    def spread(values: Sequence[int]) -> Int64s:
        return np.repeat(np.array(values, dtype=np.int64), sizes)[order]

    return Marks(
        store_key[order],
        spread([seq for seq, *_ in groups]),
        spread([day.toordinal() - _EPOCH_DAY if day else NEVER for _, day, *_ in groups]),
        spread([seq >= readable_from and made == tuple(by) for seq, _, *by, _ in groups]) > 0,
    )


def read_readable_from(conn: psycopg.Connection) -> int:
    """Return the ledger number from which on a mark can be checked."""
    ((readable_from,),) = conn.execute(_SQL["readable_from"], {"most_changes": _MOST_CHANGES}).fetchall()
    return int(readable_from)


def find_touched_since(
    conn: psycopg.Connection, policy: Policy, stores: Stores, marks: Marks
) -> list[TouchedDays]:
    """Return which days changes after the oldest of valid marks of some stores can have touched.

    Polls that were taken when all days with facts were final are not looked at: after a normal day, these are all.
    """
    marks = marks.keep(marks.last_day > NEVER)
    if not len(marks):
        return []
    until = last_change(stores, marks.store_keys, marks.last_day, policy)
    return find_touched(conn, marks.store_keys, int(marks.seq.min()), PollRange(until), policy)


def first_computable_day(conn: psycopg.Connection, policy: Policy) -> int:
    """Return the first day (since 1970) that can be computed from polls: retention has dropped none that it needs.

    Facts of earlier days are all that is left of them. Local dates are at most a day from those of UTC.
    """
    row = conn.execute(_SQL["polls_from"]).fetchone()
    if row is None or row[0] is None:
        return NEVER
    return int(row[0]) - -history_us(policy) // DAY_US + 1
