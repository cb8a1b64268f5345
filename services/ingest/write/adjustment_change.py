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


class AdjustmentChange:
    """Make it in a transaction that holds the writer lock.

    `weekly_changed`: weekly hours without a date, time zones or labels changed too.
    """

    def __init__(self, ledger: ImportLedger) -> None:
        self._ledger = ledger
        self._merged: list[HistoryTable] = []
        self.weekly_changed = False

    @cached_property
    def seq(self) -> int:
        """The ledger number of this change. From now on no other change gets one until the transaction ends."""
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

    def record(self, end_byte: int = 0, counts: RowCounts = NO_ROWS) -> None:
        """Record the change with the instants that it can touch, before COMMIT.

        Raise `ImportCanceled`: then do not commit.
        """
        stretch = Stretch(end_byte, end_byte, *self._find_touched(), of_polls=False)
        changed = self.weekly_changed or bool(self._merged)
        self._ledger.record_progress(stretch, counts, changed=changed)
        # A dry run leaves no gap in the numbers of the audit.
        if self._merged and self._ledger.is_kept:
            import_id = self._ledger.import_id
            values = {"seq": self.seq, "import_id": import_id}
            ((changed_by,),) = self._ledger.conn.execute(_SQL["record_adjustment"], values)
            tables = [table.name for table in self._merged]
            record(
                self._ledger.conn, changed_by or "command", "hours.adjusted", str(import_id), tables=tables
            )

    def _find_touched(self) -> tuple[datetime | None, datetime | None]:
        """Return the first and last instant that the change can touch. None: it has no bound on that side."""
        names = [table.name for table in self._merged]
        query = _SQL.get(f"touched_{names[0]}") if len(names) == 1 and not self.weekly_changed else None
        if query is None:
            return None, None
        ((earliest, latest),) = self._ledger.conn.execute(query, {"seq": self.seq})
        return earliest, latest
