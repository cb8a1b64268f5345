"""The files of one delivery that are staged row by row: all kinds except polls, hours and time zones."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import polars as pl
from psycopg.rows import dict_row

from services.ingest.parse.kinds import Kind
from services.ingest.parse.times_of_day import LONG_OPENING_S
from services.ingest.parse.zones import FIXED_ZONES
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import CLOSURES, LIFETIMES, SPECIAL_HOURS, HistoryTable
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.packed_delivery import Stores
from services.ingest.write.rejects import reject_staged
from services.ingest.write.remarks import LISTED_NEW_STORES, Remarks
from services.ingest.write.staged_rows import list_held_ids, reject_incomplete
from services.ingest.write.store_directory import DirectoryMerge, reject_faulty
from shared.db.queries import queries
from shared.diagnostics.week_rows import WeekFindings
from shared.store_limits import MAX_CLOSURES, MAX_INTERVALS_A_DAY, MAX_SPECIAL_DATES

_SQL, _ADJUST = queries("ingest"), queries("adjust")
_TABLES: Mapping[Kind, HistoryTable] = {
    "special_hours": SPECIAL_HOURS,
    "lifetimes": LIFETIMES,
    "closures": CLOSURES,
}
_LIMITS: Mapping[Kind, Mapping[str, int]] = {
    "special_hours": {"most": MAX_SPECIAL_DATES, "intervals": MAX_INTERVALS_A_DAY},
    "closures": {"most": MAX_CLOSURES},
}
_LAST_COUNTS = frozenset({"lifetimes", "closures"})
_Counts = Iterator[tuple[UUID, RowCounts]]


class RowsDelivery:
    """The staged rows of one kind. The methods are those of `StagedDelivery`, in the order in which they are called."""

    def __init__(self, ledger: ImportLedger, kind: Kind, ids: Sequence[UUID]) -> None:
        self._ledger = ledger
        self._conn = ledger.conn
        self._kind = kind
        self._values = {"ids": list(ids)}
        self.weeks: WeekFindings | None = None

    def find_new_stores(self) -> pl.Series:
        held = list_held_ids(self._conn, self._values["ids"])
        rows = self._conn.execute(_SQL["new_staged_ids"], {**self._values, "held": held}).fetchall()
        return pl.Series([store_id for (store_id,) in rows], dtype=pl.String)

    def prepare(self) -> None:
        """The database does it all."""

    def reject(self) -> _Counts:
        if self._kind == "special_hours":
            for import_id, rejected in reject_staged(
                self._conn, _ADJUST["closed_and_open"], {}, self._values["ids"]
            ):
                yield import_id, RowCounts(rejected=rejected)
        elif self._kind == "stores":
            for import_id, rejected in reject_faulty(self._conn, self._values["ids"]):
                yield import_id, RowCounts(rejected=rejected)
        if self._kind in _LIMITS:
            yield from self._reject_overfull(_LIMITS[self._kind])
        yield from reject_incomplete(self._conn, self._values["ids"])

    def _reject_overfull(self, limits: Mapping[str, int]) -> _Counts:
        overfull = self._conn.execute(
            _ADJUST[f"overfull_{self._kind}"], {**self._values, **limits}
        ).fetchall()
        if overfull:
            given = {**self._values, "stores": [store_id for (store_id,) in overfull]}
            for import_id, rejected in self._conn.execute(_ADJUST["reject_overfull"], given):
                yield import_id, RowCounts(rejected=rejected)

    def apply(self, change: AdjustmentChange) -> _Counts:
        if self._kind == "stores":
            yield from DirectoryMerge(self._conn, self._ledger, change).apply(self._values["ids"])
        else:
            yield from self._merge_staged(_TABLES[self._kind], change)

    def remark(self, remarks: Remarks) -> None:
        ids = self._values["ids"]
        if self._kind == "stores":
            remarks.add_windows(self._conn.execute(_SQL["windows_zones"], self._values).fetchall())
            fixed = {**self._values, "fixed": list(FIXED_ZONES)}
            remarks.add_fixed_zones(self._conn.execute(_SQL["fixed_zones"], fixed).fetchall())
        if self._kind == "special_hours":
            values = {**self._values, "longer_than_s": LONG_OPENING_S}
            remarks.add_long_openings(self._conn.execute(_SQL["long_openings"], values).fetchall())
            remarks.add_equal_times(self._conn.execute(_SQL["equal_times"], self._values).fetchall())
        if self._kind in _LAST_COUNTS:
            values = {**self._values, "by_start": self._kind == "closures"}
            remarks.add_contradictions(self._conn.execute(_SQL["contradicting_rows"], values).fetchall())
        if self._kind in _TABLES:
            remarks.add_unknown_stores(ids)

    def list_stores(self) -> Stores:
        named = self._conn.execute(_SQL["staged_stores"], self._values).fetchall()
        return pl.Series([store_id for store_id, _ in named], dtype=pl.String), [key for _, key in named]

    def plan(self) -> list[dict[str, Any]]:
        values = {**self._values, "listed": LISTED_NEW_STORES}
        with self._conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL["plan_of_staged"], values).fetchall()

    def set_stores(self, change: AdjustmentChange) -> None:
        if self._kind == "stores":
            DirectoryMerge(self._conn, self._ledger, change).set_stores()

    def _merge_staged(self, table: HistoryTable, change: AdjustmentChange) -> _Counts:
        table.create_wanted(self._conn)
        wanted = self._conn.execute(_ADJUST[f"want_{self._kind}"], {**self._values, "seq": change.seq})
        if wanted.rowcount == 0:
            return
        change.merge(table)
        for import_id, *found in self._conn.execute(_ADJUST[f"count_{self._kind}"], self._values):
            yield import_id, RowCounts(*found)
