"""Writes opening hours and time zones: rows are staged chunk by chunk, and take effect at once at the end.

Hours: the file replaces the hours of every store that it names. A row that is already there, or that the file has
repeated, is a duplicate; any other row is accepted. Time zones: the zone of a store that had none is accepted, the same
zone is a duplicate, another zone a correction. Several rows for one store are each compared with the one before; the
last one wins.
"""

import psycopg

from services.ingest.parse.kinds import Kind
from services.ingest.parse.parsed import ParsedLocalHours
from services.ingest.write.counts import RowCounts, Stretch
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.store_keys import add_stores
from shared.db.queries import queries

_SQL = queries("ingest")


class LocalHoursWriter:
    """Writes the chunks of one import, in order."""

    def __init__(self, conn: psycopg.Connection, ledger: ImportLedger, kind: Kind) -> None:
        self._conn = conn
        self._ledger = ledger
        self._kind = kind

    def write_chunk(self, hours: ParsedLocalHours) -> None:
        """Stage the valid rows of one chunk, and commit its rejects."""
        with self._conn.transaction(), self._conn.cursor() as cursor:
            with cursor.copy(_SQL[f"stage_{self._kind}"]) as copy:
                for values in hours.valid:
                    copy.write_row((self._ledger.import_id, *values))
            self._ledger.add_rejects(hours.rejects)
            stretch = Stretch(hours.chunk.first_byte, hours.chunk.end_byte)
            self._ledger.record_progress(stretch, RowCounts(rejected=len(hours.rejects)), changed=False)

    def finish_table(self, end_byte: int) -> None:
        """Commit all staged rows as one change. A second call finds nothing staged and does nothing."""
        import_id = {"id": self._ledger.import_id}
        with self._conn.transaction():
            if self._kind == "hours":
                self._prepare_hours()
            self._ledger.lock_writers()
            ids = [store_id for (store_id,) in self._conn.execute(_SQL["staged_ids"], import_id)]
            if not ids:
                return
            add_stores(self._conn, ids)
            ((*counts, changed),) = self._conn.execute(_SQL[f"apply_{self._kind}"], import_id)
            self._conn.execute(_SQL["drop_staged"], import_id)
            self._ledger.record_progress(Stretch(end_byte, end_byte), RowCounts(*counts), changed=changed)

    def _prepare_hours(self) -> None:
        """Do what needs no lock: find distinct rows, and analyze them so that the planner knows their number."""
        self._conn.execute(_SQL["create_wanted_hours"])
        self._conn.execute(_SQL["prepare_hours"], {"id": self._ledger.import_id})
        self._conn.execute(_SQL["analyze_wanted_hours"])
