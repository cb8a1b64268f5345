"""Write the facts of a batch and the marks of its stores, in the transaction that completes the batch."""

from datetime import date
from typing import Any, Final

import numpy as np
import psycopg
from psycopg import sql

from services.worker.facts.compute import MEASURES, Facts
from services.worker.facts.months import as_rows, change_months, forget_months
from services.worker.facts.plan import FactPlan
from shared.db.queries import queries
from shared.db.text_arrays import int_array
from shared.errors import InfrastructureError
from shared.reports.batch import Batch
from shared.uptime.intervals import Int64s
from shared.uptime.policy import POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_SQL, _EXPORT_SQL = queries("store_days"), queries("facts_export")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# Before all days.
_NEVER: Final = -1
_COLUMNS: Final = ("store_key", "local_date", *MEASURES, "outages", "policy", "computed_seq")
_COPY: Final = sql.SQL("copy store_day ({}) from stdin").format(
    sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
)


class FactsOvertaken(InfrastructureError):
    """Another batch has moved the mark of a store meanwhile, so this one must look again what the store lacks."""


def write_facts(conn: psycopg.Connection, batch: Batch, plan: FactPlan, facts: Facts, seq: int) -> None:
    """Replace the facts of the planned days, and set the marks to the ledger number of the snapshot.

    Raises `FactsOvertaken` unless the marks are as the plan saw them.
    """
    keys = plan.stores.keys.tolist()
    asked = {"policy": batch.policy, "store_keys": int_array(keys)}
    if dict(conn.execute(_SQL["lock_marks"], asked).fetchall()) != plan.seen:
        raise FactsOvertaken("another job computed facts of the same stores meanwhile; the batch runs again")
    gone = _delete_planned(conn, batch, plan)
    has_deleted = len(gone) > 0
    # Sums that no mark vouches for are made again.
    unmarked = [key for key in keys if key not in plan.seen]
    gone = gone[~np.isin(gone[:, 0], unmarked)]
    kept = forget_months(conn, batch.policy, unmarked) if unmarked else as_rows([])
    _insert(conn, batch, facts, seq)
    change_months(conn, batch.policy, gone, np.concatenate((kept, facts.rows)))
    conn.execute(_SQL["forget_marks"], {"policy": batch.policy, "store_keys": int_array(facts.failed_keys)})
    marked = np.setdiff1d(plan.stores.keys, facts.failed_keys)
    latest = np.full(len(marked), _NEVER)
    of_mark = np.isin(facts.rows[:, 0], marked)
    np.maximum.at(latest, np.searchsorted(marked, facts.rows[of_mark, 0]), facts.rows[of_mark, 1])
    conn.execute(
        _SQL["set_marks"],
        {
            "policy": batch.policy,
            "store_keys": int_array(marked),
            "last_days": int_array(latest),
            "seq": seq,
            "policy_version": POLICY_VERSION,
            "tzdata_version": tzdata_version(),
        },
    )
    changed = np.unique(
        np.concatenate((facts.rows[:, 1], plan.days[plan.has_fact] if has_deleted else plan.days[:0]))
    )
    if len(changed):
        conn.execute(_EXPORT_SQL["change_months"], {"policy": batch.policy, "days": changed.tolist()})


def _delete_planned(conn: psycopg.Connection, batch: Batch, plan: FactPlan) -> Int64s:
    """Delete the facts of the planned days and return them. Missing days have none, because the marks are as planned."""
    deleted: list[Any] = []
    for day in np.unique(plan.days[plan.has_fact]).tolist():
        keys = plan.store_keys[plan.has_fact & (plan.days == day)]
        asked = {"policy": batch.policy, "store_keys": int_array(keys), "day": day}
        deleted += conn.execute(_SQL["delete_day"], asked, prepare=False).fetchall()
    return as_rows(deleted)


def _insert(conn: psycopg.Connection, batch: Batch, facts: Facts, seq: int) -> None:
    if not len(facts.rows):
        return
    rows = facts.rows[np.lexsort((facts.rows[:, 0], facts.rows[:, 1]))]
    first, last = (date.fromordinal(int(day) + _EPOCH_DAY) for day in (rows[0, 1], rows[-1, 1]))
    conn.execute(_SQL["make_partitions"], {"first_day": first, "last_day": last})
    dates = {day: date.fromordinal(day + _EPOCH_DAY).isoformat() for day in np.unique(rows[:, 1]).tolist()}
    tail = f"\t{batch.policy}\t{seq}\n"
    lines = ("\t".join([str(key), dates[day], *map(str, rest)]) + tail for key, day, *rest in rows.tolist())
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(lines))
