"""Write the facts of a batch and the marks of its stores, in the transaction that completes the batch."""

from datetime import date
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.errors import DeadlockDetected

from services.worker.facts.compute import MEASURES, Facts
from services.worker.facts.months import as_rows, change_months, forget_months
from services.worker.facts.pack import FactChanges
from services.worker.facts.plan import FactPlan
from shared.db.arrays import int_array, key_array
from shared.db.binary_rows import copy_rows
from shared.db.queries import queries
from shared.errors import InfrastructureError
from shared.facts.marks import Marks
from shared.reports.batch import Batch
from shared.uptime.intervals import Int64s
from shared.uptime.policy import POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("store_days")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# Before all days that can have a fact.
_NEVER: Final = -1
_OVERTAKEN: Final = "another job computed facts of the same stores meanwhile; the batch runs again"
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
    unmarked = np.sort(np.setdiff1d(plan.stores.keys, plan.seen.store_keys, assume_unique=True))
    _hold_marks(conn, batch, plan, facts, seq)
    _make_marks(conn, batch, unmarked[~np.isin(unmarked, facts.failed_keys)], facts, seq)
    # Sums that no mark vouches for are made again.
    kept, doubtful = forget_months(conn, batch.policy, unmarked) if len(unmarked) else (as_rows([]), ())
    gone = _delete_planned(conn, batch, plan)
    _insert(conn, batch, facts, seq)
    change_months(conn, batch.policy, gone, np.concatenate((kept, facts.rows)))
    if facts.failed_keys:
        conn.execute(
            _SQL["forget_marks"], {"policy": batch.policy, "store_keys": key_array(facts.failed_keys)}
        )
    return FactChanges(gone, facts.rows, doubtful)


def _hold_marks(conn: psycopg.Connection, batch: Batch, plan: FactPlan, facts: Facts, seq: int) -> None:
    """Move the marks that the plan saw, and lock those that stay although facts of their stores are replaced.

    A mark stays if its store failed or if it would not differ: a job that finds nothing to compute writes nothing.
    """
    seen = plan.seen
    last_days = _last_days(facts, seen.store_keys)
    moves = (seen.seq != seq) | (last_days > np.maximum(seen.last_day, _NEVER)) | ~seen.is_valid
    moves &= ~np.isin(seen.store_keys, facts.failed_keys)
    stays = seen.keep(~moves & np.isin(seen.store_keys, plan.store_keys))
    if len(stays):
        _lock_marks(conn, batch, stays)
    for seen_seq, last_day in sorted(
        {*zip(seen.seq[moves].tolist(), last_days[moves].tolist(), strict=True)}
    ):
        keys = seen.store_keys[moves & (seen.seq == seen_seq) & (last_days == last_day)]
        asked = {
            "store_keys": key_array(keys),
            "seen": seen_seq,
            "last_day": last_day,
            **_made_by(batch, seq),
        }
        _change_marks(conn, "move_marks", asked, len(keys))


def _make_marks(conn: psycopg.Connection, batch: Batch, store_keys: Int64s, facts: Facts, seq: int) -> None:
    if len(store_keys):
        last_days = int_array(_last_days(facts, store_keys))
        asked = {"store_keys": key_array(store_keys), "last_days": last_days, **_made_by(batch, seq)}
        _change_marks(conn, "set_marks", asked, len(store_keys))


def _change_marks(conn: psycopg.Connection, statement: str, asked: dict[str, Any], marks: int) -> None:
    try:
        # Planned each time: a generic plan would not know how long the arrays are.
        changed = conn.execute(_SQL[statement], asked, prepare=False).rowcount
    except DeadlockDetected as error:
        raise FactsOvertaken(_OVERTAKEN) from error
    if changed != marks:
        raise FactsOvertaken(_OVERTAKEN)


def _lock_marks(conn: psycopg.Connection, batch: Batch, seen: Marks) -> None:
    asked = {"policy": batch.policy, "store_keys": key_array(seen.store_keys)}
    row = conn.execute(_SQL["lock_marks"], asked, binary=True).fetchone()
    locked = np.frombuffer(row[0] if row and row[0] else b"", dtype=_MARK)
    if not (np.array_equal(locked["store_key"], seen.store_keys) and np.array_equal(locked["seq"], seen.seq)):
        raise FactsOvertaken(_OVERTAKEN)


def _last_days(facts: Facts, store_keys: Int64s) -> Int64s:
    """Return the last day with a new fact of each store; the keys are in order."""
    latest = np.full(len(store_keys), _NEVER)
    known = np.isin(facts.rows[:, 0], store_keys)
    np.maximum.at(latest, np.searchsorted(store_keys, facts.rows[known, 0]), facts.rows[known, 1])
    return latest


def _made_by(batch: Batch, seq: int) -> dict[str, Any]:
    """Return what the marks of a batch have in common."""
    return {
        "policy": batch.policy,
        "seq": seq,
        "policy_version": POLICY_VERSION,
        "tzdata_version": tzdata_version(),
    }


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
