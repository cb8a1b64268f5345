"""One change of hours, or of what adjusts them, under one ledger number."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from services.ingest.write.counts import NO_ROWS, RowCounts, Stretch
from services.ingest.write.history_table import HistoryTable
from services.ingest.write.ledger import ImportLedger
from shared.audit import record
from shared.db.queries import queries

_SQL, _INGEST = queries("adjust"), queries("ingest")
_Bounds = tuple[datetime | None, datetime | None]


class AdjustmentChange:
    """Make it in a transaction that holds the lock of local data, and record it under the writer lock.

    `early_seq`: the number that its rows have, taken before; otherwise the first use of `seq` needs the writer lock.
    `weekly_changed`: weekly hours without a date, time zones or labels changed too.
    """

    def __init__(self, ledger: ImportLedger, early_seq: int | None = None) -> None:
        self._ledger = ledger
        self._early_seq = early_seq
        self._touched: _Bounds | None = None
        self._merged: list[HistoryTable] = []
        self.weekly_changed = False

    @cached_property
    def seq(self) -> int:
        """The ledger number in the rows of this change.

        Unless it was taken early, no other change gets a number from now on until the transaction ends.
        """
        if self._early_seq is not None:
            return self._early_seq
        ((seq,),) = self._ledger.conn.execute(_INGEST["next_seq"])
        return int(seq)

    def merge(self, table: HistoryTable) -> bool:
        """Replace what holds by the wanted rows. Return whether anything changed."""
        changed = table.merge(self._ledger.conn, self.seq)
        if changed:
            self._merged.append(table)
        return changed

    def merge_rows(
        self,
        table: HistoryTable,
        rows: Sequence[Mapping[str, object]],
        gone: Sequence[Mapping[str, object]] = (),
    ) -> RowCounts:
        """Merge some rows, and end those with the keys of `gone` rows. Return how the rows count."""
        table.create_wanted(self._ledger.conn)
        table.want_rows(self._ledger.conn, self.seq, rows, gone)
        self.merge(table)
        return RowCounts(**table.count_outcomes(self._ledger.conn))

    def lock_writers(self) -> None:
        """Take the writer lock, after all that can be done without it. Then only zones are set and the change is recorded."""
        self._touched = self._find_touched()
        self._ledger.lock_writers()

    def record(self, end_byte: int = 0, counts: RowCounts = NO_ROWS) -> None:
        """Record the change with the instants that it can touch, before COMMIT.

        Raise `ImportCanceled`: then do not commit.
        """
        earliest, latest = self._touched or self._find_touched()
        stretch = Stretch(end_byte, end_byte, earliest, latest, of_polls=False)
        changed = self.weekly_changed or bool(self._merged)
        effective_seq = self._ledger.record_progress(stretch, counts, changed=changed)
        if not self._ledger.is_kept:
            # A dry run leaves no gap in the numbers of the audit.
            return
        if changed and self._early_seq is not None:
            numbers = {"seq": self._early_seq, "effective_seq": effective_seq}
            self._ledger.conn.execute(_INGEST["keep_early_number"], numbers)
        if self._merged:
            self._ledger.conn.execute(_SQL["record_adjustment"], {"effective_seq": effective_seq})
        if changed:
            self._record_maker()

    def _record_maker(self) -> None:
        """Record who made the change, for as long as its rows are kept, and write the audit."""
        conn, import_id = self._ledger.conn, self._ledger.import_id
        values = {"seq": self.seq, "import_id": import_id}
        ((changed_by, kind, source),) = conn.execute(_SQL["record_maker"], values)
        actor, said = changed_by or "command", {"kind": kind, "source": source}
        if self.weekly_changed:
            record(conn, actor, "stores.changed", str(import_id), **said)
        if self._merged:
            stores = {table.find_only_store(conn, self.seq) for table in self._merged} - {None}
            store = {"store_id": stores.pop()} if len(stores) == 1 else {}
            tables = [table.name for table in self._merged]
            record(conn, actor, "hours.adjusted", str(import_id), tables=tables, **said, **store)

    def _find_touched(self) -> _Bounds:
        """Return the first and last instant that the change can touch. None: it has no bound on that side."""
        names = [table.name for table in self._merged]
        query = _SQL.get(f"touched_{names[0]}") if len(names) == 1 and not self.weekly_changed else None
        if query is None:
            return None, None
        ((earliest, latest),) = self._ledger.conn.execute(query, {"seq": self.seq})
        return earliest, latest
