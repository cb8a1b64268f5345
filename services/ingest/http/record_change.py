"""Makes one change through the API, under the locks of local data and of writers, and as an import of its own."""

from collections.abc import Callable
from typing import Literal
from uuid import UUID

import psycopg

from services.ingest.http.write_live import LOCK_PATIENCE
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.ledger import ImportLedger
from shared.db.connect import connect
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable, TableLocked
from shared.ids import new_id

_SQL = queries("live")
ChangeKind = Literal[
    "hours", "timezones", "labels", "special_hours", "lifetimes", "closures", "calendars", "stores"
]
WriteChange = Callable[[psycopg.Connection, AdjustmentChange], RowCounts]


def record_change(
    database_url: str,
    kind: ChangeKind,
    source: str,
    created_by: str,
    write_change: WriteChange,
    *,
    dry_run: bool = False,
) -> tuple[UUID | None, RowCounts]:
    """Make one change and commit it. Return the import that records it, and its counts. Raise `DatabaseUnavailable`.

    A dry run makes the same change, takes it back, and has no import.
    """
    import_id = new_id()
    try:
        with connect(database_url, application_name="uptill-ingest change") as conn:
            conn.execute(_SQL["begin_store_change"], {"patience": LOCK_PATIENCE})
            row = {"id": import_id, "kind": kind, "source": source, "created_by": created_by}
            conn.execute(_SQL["insert_store_change"], row)
            change = AdjustmentChange(ImportLedger(conn, import_id, kept=not dry_run))
            counts = write_change(conn, change)
            change.record(0, counts)
            conn.execute(_SQL["finish_store_change"], {"id": import_id})
            if dry_run:
                conn.rollback()
    except (TableLocked, psycopg.errors.QueryCanceled) as error:
        raise DatabaseUnavailable(
            "another import has locked the tables for too long; send the change again"
        ) from error
    return None if dry_run else import_id, counts
