"""Writes every kind except polls: rows are staged chunk by chunk, and take effect at once at the end.

All or nothing: a store with a rejected row keeps what it had. Hours: a delivery of one or several files replaces the
hours of every store that it names. A row that is already there, or that the delivery has repeated, is a duplicate; any
other row is accepted. Time zones: the zone of a store that had none is accepted, the same zone is a duplicate, another
zone a correction. Several rows for one store are each compared with the one before; the last one wins.

Dated hours (by store and date), special hours (by store and date), lifetimes (by store) and closures (by store and
start): a row is accepted if nothing held, a duplicate if the same held, and a correction otherwise. What the delivery
does not name stays.

Store directories: see `store_directory.py`. How rows are staged and applied is in `rows_delivery.py`, of hours and
time zones in `hours_delivery.py` and `zones_delivery.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

import polars as pl
import psycopg

from services.ingest.parse.doubtful_ids import describe_doubtful_ids
from services.ingest.parse.kinds import PACKED_KINDS, Kind
from services.ingest.parse.parsed import ParsedLocalHours
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.contradictions import note_contradictions
from services.ingest.write.counts import NO_ROWS, RowCounts, Stretch
from services.ingest.write.day_numbers import Numbers, check_numbers, check_own_numbers
from services.ingest.write.hours_delivery import HoursDelivery
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.named_stores import NamedStores
from services.ingest.write.packed_delivery import Stores
from services.ingest.write.packed_rows import stage_packed
from services.ingest.write.remarks import Remarks
from services.ingest.write.rows_delivery import RowsDelivery
from services.ingest.write.staged_rows import read_delivery, stage_held, stage_rows
from services.ingest.write.step import LOAD, Step
from services.ingest.write.weekly_hours import OnStep
from services.ingest.write.zones_delivery import ZonesDelivery
from shared.db.arrays import text_array
from shared.db.queries import queries
from shared.diagnostics.week_rows import WeekFindings

_SQL = queries("ingest")
_STORES_AT_ONCE = 2000
_Counts = Iterable[tuple[UUID, RowCounts]]


class StagedDelivery(Protocol):
    """The staged rows of the files that take effect together. `weeks`: what they made the weekly hours of their stores, if known."""

    weeks: WeekFindings | None

    def find_new_stores(self) -> pl.Series:
        """Return the ids of the stores that take effect and do not exist, in the order of the index."""
        ...

    def prepare(self) -> None:
        """Do what keeps the command busy, before the transaction: the server ends one in which a session stands still."""
        ...

    def reject(self) -> _Counts:
        """Reject the valid rows of stores that have a rejected one. Yield how many each import has."""
        ...

    def apply(self, change: AdjustmentChange) -> _Counts:
        """Do everything slow, before the writer lock, which live polls need. Yield how the rows of each import count."""
        ...

    def list_stores(self) -> Stores:
        """Return the stores that take effect."""
        ...

    def plan(self) -> Iterable[dict[str, Any]]:
        """Return what each import is about, for a dry run."""
        ...

    def remark(self, remarks: Remarks) -> None:
        """Add what the rows tell."""
        ...

    def set_stores(self, change: AdjustmentChange) -> None:
        """Change rows of stores, under the writer lock."""
        ...


class LocalHoursWriter:
    """Writes the chunks of one import, in order, as far as the step of its delivery goes."""

    def __init__(
        self,
        conn: psycopg.Connection,
        ledger: ImportLedger,
        kind: Kind,
        step: Step = LOAD,
        on_step: OnStep = lambda *_: None,
    ) -> None:
        self._conn = conn
        self._ledger = ledger
        self._kind = kind
        self._step = step
        self._on_step = on_step

    def write_chunk(self, hours: ParsedLocalHours) -> None:
        """Stage the rows of one chunk, and commit its rejects."""
        with self._conn.transaction():
            if self._kind in PACKED_KINDS:
                stage_packed(self._conn, self._ledger.import_id, hours)
            else:
                stage_rows(self._conn, self._ledger.import_id, hours.valid)
            stage_held(self._conn, self._ledger.import_id, hours.held)
            self._ledger.add_rejects(hours.rejects)
            stretch = Stretch(hours.chunk.first_byte, hours.chunk.end_byte)
            self._ledger.record_progress(stretch, RowCounts(rejected=len(hours.rejects)), changed=False)

    def finish_table(self, end_byte: int) -> None:
        """Commit the staged rows of the whole delivery as one change. A second call finds nothing staged.

        Raise `BadInputFile` if the days of the week are numbered in contradicting ways.
        """
        if self._step.stage_only:
            self._check_numbers()
            return
        with self._ledger.locked_local_data():
            if self._ledger.has_staged_rows():
                ids = list(read_delivery(self._conn, self._ledger.import_id))
                note_contradictions(self._conn, self._ledger.import_id, self._step.beside)
                delivery = self._read_delivery(ids)
                self._add_stores(delivery.find_new_stores())
                delivery.prepare()
                early_seq = self._ledger.take_early_number(end_byte)
                with self._conn.transaction():
                    self._apply_delivery(delivery, ids, AdjustmentChange(self._ledger, early_seq), end_byte)

    def _read_delivery(self, ids: Sequence[UUID]) -> StagedDelivery:
        if self._kind == "hours":
            return HoursDelivery(self._ledger, ids, self._check_numbers(), self._on_step)
        if self._kind == "timezones":
            return ZonesDelivery(self._ledger, ids)
        return RowsDelivery(self._ledger, self._kind, ids)

    def _apply_delivery(
        self, delivery: StagedDelivery, ids: Sequence[UUID], change: AdjustmentChange, end_byte: int
    ) -> None:
        counts: defaultdict[UUID, RowCounts] = defaultdict(lambda: NO_ROWS)
        for step in (delivery.reject(), delivery.apply(change)):
            for import_id, count in step:
                counts[import_id] += count
        self._add_remarks(delivery, ids)
        self._conn.execute(_SQL["drop_staged"], {"ids": list(ids)})
        own = counts.pop(self._ledger.import_id, NO_ROWS)
        for import_id, count in counts.items():
            self._ledger.count_for(import_id, count)
        change.lock_writers()
        delivery.set_stores(change)
        change.record(end_byte, own)

    def _add_remarks(self, delivery: StagedDelivery, ids: Sequence[UUID]) -> None:
        remarks, own = Remarks(self._conn, self._kind), self._ledger.import_id
        delivery.remark(remarks)
        store_ids, keys = delivery.list_stores()
        self._ledger.named = NamedStores(keys, delivery.weeks)
        for note in describe_doubtful_ids(store_ids):
            remarks.add_note(own, note)
        remarks.add_look_alikes(own, store_ids)
        remarks.add_held_stores(ids)
        if not self._ledger.is_kept:
            remarks.add_plan(delivery.plan())
        remarks.save()

    def _add_stores(self, new: pl.Series) -> None:
        """Commit the stores that are new, before their rows, and some at a time so that live polls wait only briefly."""
        insert = _SQL["insert_stores" if self._ledger.is_kept else "add_unkept_stores"]
        # If nothing is new, nothing is committed: each COMMIT may get lost, and then all is done again.
        for start in range(0, len(new), _STORES_AT_ONCE):
            with self._conn.transaction():
                self._ledger.lock_writers()
                self._conn.execute(
                    insert, {"ids": text_array(new[start : start + _STORES_AT_ONCE].to_list())}
                )

    def _check_numbers(self) -> Numbers:
        """Return how files number the days. Done before a store is added: a refused file adds none."""
        if self._kind != "hours":
            return {}
        stages_more = self._step.stage_only and not self._step.is_last
        check = check_own_numbers if stages_more else check_numbers
        return check(self._conn, self._ledger.import_id)
