"""The sums of daily facts by calendar month (`store_month`): what a change of facts changes in them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import psycopg

from services.worker.facts.compute import MEASURES
from shared.db.arrays import int_array, key_array
from shared.db.queries import queries
from shared.uptime.intervals import Int64s

_SQL = queries("store_days")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SUMMED: Final = (*MEASURES, "outages")


def change_months(conn: psycopg.Connection, policy: str, gone: Int64s, added: Int64s) -> None:
    """Take the deleted facts out of the sums of their months, and add the new ones. Both are rows as in `Facts`."""
    rows = np.concatenate((gone, added))
    if not len(rows):
        return
    changes = _sum_months(rows, np.repeat([-1, 1], [len(gone), len(added)]))
    values: dict[str, Any] = {
        name: int_array(column) if name.endswith("_us") else key_array(column)
        for name, column in changes.items()
    }
    months = [date.fromordinal(day + _EPOCH_DAY) for day in np.unique(changes["month"]).tolist()]
    # Planned each time: a generic plan would not know how long the arrays are.
    conn.execute(_SQL["change_months"], {"policy": policy, "months": months, **values}, prepare=False)


def forget_months(
    conn: psycopg.Connection, policy: str, store_keys: Int64s
) -> tuple[Int64s, Collection[int]]:
    """Delete the sums of stores. Return the facts that they have, to be added again, and the months that had other sums.

    A month has other sums only if facts or sums were changed by SQL.
    """
    asked = {"policy": policy, "store_keys": key_array(store_keys)}
    forgotten = set(conn.execute(_SQL["forget_months"], asked).fetchall())
    facts = as_rows(conn.execute(_SQL["facts_of"], asked).fetchall())
    summed = _sum_months(facts, np.ones(len(facts), dtype=np.int64)) if len(facts) else {}
    expected = set(zip(*(column.tolist() for column in summed.values()), strict=True))
    return facts, {month for _, month, *_ in forgotten ^ expected}


def _sum_months(rows: Int64s, sign: Int64s) -> Mapping[str, Int64s]:
    """Return the sums by store and month, as columns of `store_month` in its order."""
    first = months_of(rows[:, 1])
    order = np.lexsort((first, rows[:, 0]))
    rows, sign, first = rows[order], sign[order], first[order]
    begins = np.ones(len(rows), dtype=np.bool_)
    begins[1:] = (np.diff(rows[:, 0]) != 0) | (np.diff(first) != 0)
    begin = np.flatnonzero(begins)
    sums = np.add.reduceat(sign[:, None] * rows[:, 2:], begin)
    return {
        "store_key": rows[begin, 0],
        "month": first[begin],
        # The date of a fact that is replaced occurs twice, and so stays.
        "dates": np.bitwise_xor.reduceat(np.left_shift(1, rows[:, 1] - first), begin),
        "days": np.add.reduceat(sign, begin),
        **dict(zip(_SUMMED, sums.T, strict=True)),
    }


def as_rows(found: Sequence[Sequence[int]]) -> Int64s:
    """Return facts that were read from `store_day` as the rows of `Facts`."""
    return np.array(found, dtype=np.int64).reshape(-1, len(_SUMMED) + 2)


def months_of(days: Int64s) -> Int64s:
    """Return the first day of each day's month. All are days since 1970."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64)
