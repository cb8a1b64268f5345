"""Writes store directories: the rows of a delivery are united by store and compared with what the stores have.

A row sets what its file has columns for. An empty cell removes the name, the label or an end of the lifetime; an empty
zone leaves the zone as it is, because a store without one would be read in the default zone. A value in any row of a
store counts before the empty cells of its other rows. Labels without a column stay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg

from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import LIFETIMES
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.rejects import reject_staged
from services.ingest.write.staged_rows import list_held_ids
from shared.db.queries import queries
from shared.labels import MAX_LABELS

_SQL, _INGEST = queries("store_directory"), queries("ingest")


def reject_faulty(conn: psycopg.Connection, ids: Sequence[UUID]) -> Iterator[tuple[UUID, int]]:
    """Reject rows that contradict each other or what their store has. Yield imports with their number of rejects."""
    yield from reject_staged(conn, _SQL["reject_contradictions"], {}, ids)
    conn.execute(_SQL["create_wanted"])
    conn.execute(_SQL["want"], {"ids": list(ids)})
    yield from reject_staged(conn, _SQL["reject_impossible"], {"max_labels": MAX_LABELS}, ids)


@dataclass(frozen=True)
class DirectoryMerge:
    """One delivery of directories, whose rows `reject_faulty` has united."""

    conn: psycopg.Connection
    ledger: ImportLedger
    change: AdjustmentChange

    def apply(self, ids: Sequence[UUID]) -> list[tuple[UUID, RowCounts]]:
        """Compare with what the stores have, and replace their lifetimes. Return the counts of the valid rows by import."""
        values = {"ids": list(ids)}
        self.conn.execute(_SQL["leave_out"], {"held": list_held_ids(self.conn, ids)})
        self.conn.execute(_SQL["analyze_wanted"])
        self.conn.execute(_SQL["compare"])
        ((self.change.weekly_changed,),) = self.conn.execute(_SQL["changes_stores"])
        LIFETIMES.create_wanted(self.conn)
        if self.conn.execute(_SQL["want_lifetimes"], {"seq": self.change.seq}).rowcount:
            self.change.merge(LIFETIMES)
        rows = self.conn.execute(_SQL["count"], values).fetchall()
        return [(import_id, RowCounts(*found)) for import_id, *found in rows]

    def set_stores(self) -> None:
        """Set names, zones and labels, under the writer lock."""
        if not self.change.weekly_changed:
            return
        seq = commit_seq = self.change.seq
        if self.ledger.is_kept:
            # A dry run commits nothing, and locks no number.
            ((commit_seq,),) = self.conn.execute(_INGEST["next_seq"])
        self.conn.execute(_SQL["set_stores"], {"seq": seq, "commit_seq": commit_seq})
