"""Write the facts of a batch and the marks of its stores, in the transaction that completes the batch."""

from datetime import date
from typing import Any, Final

import numpy as np
import psycopg

from services.worker.facts.compute import MEASURES, Facts
from services.worker.facts.months import as_rows, change_months, forget_months
from services.worker.facts.pack import FactChanges
from services.worker.facts.plan import FactPlan
from shared.db.arrays import int_array, key_array
from shared.db.binary_rows import copy_rows
from shared.db.queries import queries
from shared.errors import InfrastructureError
from shared.reports.batch import Batch
from shared.uptime.intervals import Int64s
from shared.uptime.policy import POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("store_days")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# Before all days.
_NEVER: Final = -1
_POSTGRES_EPOCH: Final = date(2000, 1, 1).toordinal() - _EPOCH_DAY
_COLUMNS: Final = " ".join(("store_key local_date", *MEASURES, "outages policy computed_seq"))
# From here on, the numbers of a row are counts, which have 32 bits.
_POLLS: Final = 2 + MEASURES.index("polls")
_MARK: Final = np.dtype([("store_key", ">i4"), ("seq", ">i8")])


class FactsOvertaken(InfrastructureError):
    """Another batch has moved the mark of a store meanwhile, so this one must look again what the store lacks."""


def write_facts(
    conn: psycopg.Connection, batch: Batch, plan: FactPlan, facts: Facts, seq: int
) -> FactChanges:
    """Replace the facts of the planned days, and set the marks to the ledger number of the snapshot.

    The caller passes the result to `pack_changes` in the same transaction. Raises `FactsOvertaken` unless the marks are as the plan saw them.
    """
    _lock_marks(conn, batch, plan)
    # Sums that no mark vouches for are made again.
    unmarked = np.setdiff1d(plan.stores.keys, plan.seen.store_keys, assume_unique=True)
    kept, doubtful = forget_months(conn, batch.policy, unmarked) if len(unmarked) else (as_rows([]), ())
    gone = _delete_planned(conn, batch, plan)
    _insert(conn, batch, facts, seq)
    change_months(conn, batch.policy, gone, np.concatenate((kept, facts.rows)))
    conn.execute(_SQL["forget_marks"], {"policy": batch.policy, "store_keys": key_array(facts.failed_keys)})
    _move_marks(conn, batch, plan, facts, seq)
    return FactChanges(gone, facts.rows, doubtful)


def _lock_marks(conn: psycopg.Connection, batch: Batch, plan: FactPlan) -> None:
    asked = {"policy": batch.policy, "store_keys": key_array(plan.stores.keys)}
    row = conn.execute(_SQL["lock_marks"], asked, binary=True).fetchone()
    locked = np.frombuffer(row[0] if row and row[0] else b"", dtype=_MARK)
    if not (
        np.array_equal(locked["store_key"], plan.seen.store_keys)
        and np.array_equal(locked["seq"], plan.seen.seq)
    ):
        raise FactsOvertaken("another job computed facts of the same stores meanwhile; the batch runs again")


def _move_marks(conn: psycopg.Connection, batch: Batch, plan: FactPlan, facts: Facts, seq: int) -> None:
    """Set the marks of the stores that did not fail."""
    marked = np.sort(np.setdiff1d(plan.stores.keys, facts.failed_keys, assume_unique=True))
    latest = np.full(len(marked), _NEVER)
    of_mark = np.isin(facts.rows[:, 0], marked)
    np.maximum.at(latest, np.searchsorted(marked, facts.rows[of_mark, 0]), facts.rows[of_mark, 1])
    is_seen = np.isin(marked, plan.seen.store_keys)
    for statement, some in (("move_marks", is_seen), ("set_marks", ~is_seen)):
        if some.any():
            asked = {
                "policy": batch.policy,
                "store_keys": key_array(marked[some]),
                "last_days": int_array(latest[some]),
                "seq": seq,
                "policy_version": POLICY_VERSION,
                "tzdata_version": tzdata_version(),
            }
            conn.execute(_SQL[statement], asked)


def _delete_planned(conn: psycopg.Connection, batch: Batch, plan: FactPlan) -> Int64s:
    """Delete the facts of the planned days and return them. Missing days have none, because the marks are as planned."""
    deleted: list[Any] = []
    for day in np.unique(plan.days[plan.has_fact]).tolist():
        keys = plan.store_keys[plan.has_fact & (plan.days == day)]
        asked = {"policy": batch.policy, "store_keys": key_array(keys), "day": day}
        deleted += conn.execute(_SQL["delete_day"], asked, prepare=False).fetchall()
    return as_rows(deleted)


def _insert(conn: psycopg.Connection, batch: Batch, facts: Facts, seq: int) -> None:
    if not len(facts.rows):
        return
    rows = facts.rows[np.lexsort((facts.rows[:, 0], facts.rows[:, 1]))]
    first, last = (date.fromordinal(int(day) + _EPOCH_DAY) for day in (rows[0, 1], rows[-1, 1]))
    conn.execute(_SQL["make_partitions"], {"first_day": first, "last_day": last})
    columns = [
        rows[:, 0].astype(np.int32),
        (rows[:, 1] - _POSTGRES_EPOCH).astype(np.int32),
        *rows[:, 2:_POLLS].T,
        *rows[:, _POLLS:].T.astype(np.int32),
        np.full(len(rows), batch.policy.encode()),
        np.full(len(rows), seq, dtype=np.int64),
    ]
    copy_rows(conn, "store_day", _COLUMNS, *columns)
