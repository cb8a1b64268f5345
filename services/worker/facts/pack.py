"""Keep the packed facts of dates (`packed_day`) equal to `store_day`, in the transaction that changes facts."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg

from services.worker.facts.compute import MEASURES
from services.worker.facts.months import months_of
from shared.db.queries import queries
from shared.facts.packed_facts import pack_facts
from shared.uptime.intervals import Int64s

_SQL, _MONTHS_SQL = queries("store_days"), queries("facts_export")
# The places of what is packed, in rows of `Facts`.
_PACKED: Final = [
    *(2 + MEASURES.index(name) for name in ("excluded_us", "open_us", "up_us", "down_us")),
    2 + len(MEASURES),
]


@dataclass(frozen=True)
class FactChanges:
    """Facts that were deleted and added, as rows of `Facts`; and `doubtful` months, by their first day, to pack again."""

    gone: Int64s
    added: Int64s
    doubtful: Collection[int]


def pack_changes(conn: psycopg.Connection, policy: str, changes: FactChanges) -> None:
    """Count the change of each month, and pack the facts that were deleted and added.

    Months that were not packed before, those whose rows became many, and the doubtful ones are packed again from `store_day`.
    """
    gone, added, doubtful = changes.gone, changes.added, changes.doubtful
    sign = np.repeat([-1, 1], [len(gone), len(added)])
    rows = np.concatenate((gone, added))
    days = np.unique(np.concatenate((rows[:, 1], np.array([*doubtful], dtype=np.int64))))
    if not len(days):
        return
    found = conn.execute(_MONTHS_SQL["change_months"], {"policy": policy, "days": days.tolist()}).fetchall()
    again = {month for month, is_packed in found if not is_packed} | set(doubtful)
    kept = ~np.isin(months_of(rows[:, 1]), sorted(again))
    _append(conn, policy, rows[kept], sign[kept])
    crowded = {"policy": policy, "first": int(days[0]), "last": int(days[-1])}
    again |= {month for (month,) in conn.execute(_SQL["crowded_days"], crowded).fetchall()}
    for month in sorted(again):
        _pack_again(conn, policy, month)


def _append(conn: psycopg.Connection, policy: str, rows: Int64s, sign: Int64s) -> None:
    if not len(rows):
        return
    order = np.argsort(rows[:, 1], kind="stable")
    rows, sign = rows[order], sign[order]
    table = np.column_stack((rows[:, 0], sign, rows[:, _PACKED]))
    days, begins = np.unique(rows[:, 1], return_index=True)
    packed = (
        {"policy": policy, "day": day, "records": pack_facts(part)}
        for day, part in zip(days.tolist(), np.split(table, begins[1:]), strict=True)
    )
    with conn.cursor() as cursor:
        cursor.executemany(_SQL["pack"], packed)


def _pack_again(conn: psycopg.Connection, policy: str, month: int) -> None:
    asked: dict[str, Any] = {"policy": policy, "month": month}
    conn.execute(_SQL["unpack_month"], asked)
    # Planned each time: a generic plan would visit every month.
    conn.execute(_SQL["pack_month"], asked, prepare=False)
    conn.execute(_SQL["set_packed"], asked)
