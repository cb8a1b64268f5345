"""Writes every kind except polls: rows are staged chunk by chunk, and take effect at once at the end.

All or nothing: a store with a rejected row keeps what it had. Hours: a delivery of one or several files replaces the
hours of every store that it names. A row that is already there, or that the delivery has repeated, is a duplicate; any
other row is accepted. Time zones: the zone of a store that had none is accepted, the same zone is a duplicate, another
zone a correction. Several rows for one store are each compared with the one before; the last one wins.

Dated hours (by store and date), special hours (by store and date), lifetimes (by store) and closures (by store and
start): a row is accepted if nothing held, a duplicate if the same held, and a correction otherwise. What the delivery
does not name stays.

Store directories: see `store_directory.py`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

import psycopg

from services.ingest.parse.comment_ids import describe_comment_ids
from services.ingest.parse.days import FROM_ZERO, find_first_numbers, is_first_number_unsaid
from services.ingest.parse.kinds import UNITED_KINDS, Kind
from services.ingest.parse.parsed import ParsedLocalHours
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import NO_ROWS, RowCounts, Stretch
from services.ingest.write.day_numbers import Numbers, check_numbers, check_own_numbers
from services.ingest.write.history_table import (
    CLOSURES,
    DATED_HOURS,
    LIFETIMES,
    SPECIAL_HOURS,
    HistoryTable,
)
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.remarks import Remarks
from services.ingest.write.staged_rows import list_held_ids, read_delivery, stage_rows
from services.ingest.write.store_directory import DirectoryMerge, reject_faulty
from services.ingest.write.weekly_hours import OnStep, WeeklyHours
from shared.db.arrays import text_array
from shared.db.queries import queries

_SQL, _ADJUST = queries("ingest"), queries("adjust")
_Counts = defaultdict[UUID, RowCounts]
_STORES_AT_ONCE = 2000
_TABLES: Mapping[Kind, HistoryTable] = {
    "special_hours": SPECIAL_HOURS,
    "lifetimes": LIFETIMES,
    "closures": CLOSURES,
}


class LocalHoursWriter:
    """Writes the chunks of one import, in order. With `stage_only` the rows wait for the rest of their delivery.

    `completes_delivery`: all other files of this kind in the delivery are staged.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        ledger: ImportLedger,
        kind: Kind,
        *,
        stage_only: bool = False,
        completes_delivery: bool = False,
        on_step: OnStep = lambda *_: None,
    ) -> None:
        self._conn = conn
        self._ledger = ledger
        self._kind = kind
        self._stage_only = stage_only
        self._completes_delivery = completes_delivery
        self._weekly = WeeklyHours(conn, on_step)

    def write_chunk(self, hours: ParsedLocalHours) -> None:
        """Stage the rows of one chunk, and commit its rejects."""
        with self._conn.transaction():
            stage_rows(self._conn, self._ledger.import_id, hours.valid, hours.held)
            self._ledger.add_rejects(hours.rejects)
            stretch = Stretch(hours.chunk.first_byte, hours.chunk.end_byte)
            self._ledger.record_progress(stretch, RowCounts(rejected=len(hours.rejects)), changed=False)

    def finish_table(self, end_byte: int) -> None:
        """Commit the staged rows of the whole delivery as one change. A second call finds nothing staged.

        Raise `BadInputFile` if the days of the week are numbered in contradicting ways.
        """
        if self._stage_only:
            self._check_numbers()
            return
        with self._ledger.locked_local_data():
            if self._ledger.has_staged_rows():
                numbers = self._check_numbers()
                self._add_new_stores()
                early_seq = self._ledger.take_early_number(end_byte)
                with self._conn.transaction():
                    self._apply_delivery(AdjustmentChange(self._ledger, early_seq), end_byte, numbers)

    def _apply_delivery(self, change: AdjustmentChange, end_byte: int, numbers: Numbers) -> None:
        """Apply what is staged of the whole delivery. Everything slow comes before the writer lock, which live polls need."""
        ids = list(read_delivery(self._conn, self._ledger.import_id))
        counts = self._reject_incomplete(ids)
        remarks = Remarks(self._conn, self._kind)
        first_days: Mapping[UUID, int] = {}
        if self._kind == "hours":
            first_days = self._prepare_hours(numbers, remarks)
        elif self._kind == "timezones":
            remarks.add_zones(ids)
            self._prepare_zones(ids, counts)
        elif self._kind == "stores":
            remarks.add_zones(ids)
        self._add_remarks(remarks, ids)
        self._apply_staged(change, ids, first_days, counts)
        self._conn.execute(_SQL["drop_staged"], {"ids": ids})
        own = counts.pop(self._ledger.import_id, NO_ROWS)
        for import_id, count in counts.items():
            self._ledger.count_for(import_id, count)
        change.lock_writers()
        if self._kind == "timezones":
            self._conn.execute(_SQL["set_timezones"], {"seq": change.seq})
        elif self._kind == "stores":
            DirectoryMerge(self._conn, self._ledger, change).set_stores()
        change.record(end_byte, own)

    def _add_remarks(self, remarks: Remarks, ids: list[UUID]) -> None:
        if self._kind in UNITED_KINDS:
            remarks.add_long_openings(ids)
            remarks.add_equal_times(ids)
        remarks.add_contradictions(ids)
        if self._kind in _TABLES:
            remarks.add_unknown_stores(ids)
        keys: dict[str, int] = dict(self._conn.execute(_SQL["staged_stores"], {"ids": ids}).fetchall())
        store_ids, self._ledger.named_keys = list(keys), list(keys.values())
        for note in describe_comment_ids(store_ids):
            remarks.add_note(self._ledger.import_id, note)
        remarks.add_look_alikes(self._ledger.import_id, store_ids)
        remarks.add_held_stores(ids)
        if not self._ledger.is_kept:
            remarks.add_plan(ids, self._ledger.import_id)
        remarks.save()

    def _add_new_stores(self) -> None:
        """Commit the stores that are new, before their rows, and some at a time so that live polls wait only briefly."""
        ids = list(read_delivery(self._conn, self._ledger.import_id))
        held = list_held_ids(self._conn, ids)
        rows = self._conn.execute(_SQL["new_staged_ids"], {"ids": ids, "held": held}).fetchall()
        new = [store_id for (store_id,) in rows]
        insert = _SQL["insert_stores" if self._ledger.is_kept else "add_unkept_stores"]
        # If nothing is new, nothing is committed: each COMMIT may get lost, and then all is done again.
        for start in range(0, len(new), _STORES_AT_ONCE):
            with self._conn.transaction():
                self._ledger.lock_writers()
                self._conn.execute(insert, {"ids": text_array(new[start : start + _STORES_AT_ONCE])})

    def _reject_incomplete(self, ids: list[UUID]) -> _Counts:
        counts: _Counts = defaultdict(lambda: NO_ROWS)
        if self._kind == "special_hours":
            for import_id, rejected in self._conn.execute(_ADJUST["closed_and_open"], {"ids": ids}):
                counts[import_id] += RowCounts(rejected=rejected)
        elif self._kind == "stores":
            for import_id, rejected in reject_faulty(self._conn, ids):
                counts[import_id] += RowCounts(rejected=rejected)
        held = list_held_ids(self._conn, ids)
        if held:
            values = {"ids": ids, "held": held}
            for import_id, rejected in self._conn.execute(_SQL["reject_incomplete"], values):
                counts[import_id] += RowCounts(rejected=rejected)
        return counts

    def _apply_staged(
        self,
        change: AdjustmentChange,
        ids: Sequence[UUID],
        first_days: Mapping[UUID, int],
        counts: _Counts,
    ) -> None:
        """Apply the valid rows except new zones, and count them."""
        if table := _TABLES.get(self._kind):
            self._merge_staged(table, self._kind, {"ids": ids}, change, counts)
            return
        if self._kind == "stores":
            for import_id, counted in DirectoryMerge(self._conn, self._ledger, change).apply(ids):
                counts[import_id] += counted
            return
        if self._kind == "hours":
            found, change.weekly_changed = self._weekly.apply(list(first_days), change.seq)
            for import_id, count in found.items():
                counts[import_id] += count
            dated = {"ids": ids, "first_days": list(first_days.values())}
            self._merge_staged(DATED_HOURS, "dated_hours", dated, change, counts)
            return
        values = {"ids": ids, "seq": change.seq}
        for import_id, *zones, changed in self._conn.execute(_SQL["apply_timezones"], values):
            counts[import_id] += RowCounts(*zones)
            change.weekly_changed |= changed

    def _merge_staged(
        self,
        table: HistoryTable,
        name: str,
        values: Mapping[str, object],
        change: AdjustmentChange,
        counts: _Counts,
    ) -> None:
        table.create_wanted(self._conn)
        wanted = self._conn.execute(_ADJUST[f"want_{name}"], {**values, "seq": change.seq})
        if wanted.rowcount == 0:
            return
        change.merge(table)
        for import_id, *found in self._conn.execute(_ADJUST[f"count_{name}"], values):
            counts[import_id] += RowCounts(*found)

    def _prepare_hours(self, numbers: Numbers, remarks: Remarks) -> dict[UUID, int]:
        """Find the distinct rows. Return which number is Monday in each import."""
        first_days = find_first_numbers(numbers)
        remarks.add_first_days({file: day for file, day in first_days.items() if numbers[file].distinct})
        if is_first_number_unsaid(numbers):
            remarks.add_note(self._ledger.import_id, FROM_ZERO)
        self._weekly.prepare(first_days)
        remarks.add_shrinking_stores(self._ledger.import_id, self._weekly.find_shrunk())
        return first_days

    def _prepare_zones(self, ids: list[UUID], counts: _Counts) -> None:
        """Find the first and last zone of each store, and count the other rows."""
        values = {"ids": ids}
        for query in ("create_wanted_zones", "prepare_zones", "analyze_wanted_zones"):
            self._conn.execute(_SQL[query], values if query == "prepare_zones" else None)
        for import_id, *found in self._conn.execute(_SQL["count_later_zones"], values):
            counts[import_id] += RowCounts(*found)

    def _check_numbers(self) -> Numbers:
        """Return how files number the days. Done before a store is added: a refused file adds none."""
        if self._kind != "hours":
            return {}
        stages_more = self._stage_only and not self._completes_delivery
        check = check_own_numbers if stages_more else check_numbers
        return check(self._conn, self._ledger.import_id)
