"""Sets or removes the name of one store."""

import psycopg

from services.ingest.http.change_store import ChangeOptions, StoreChange, change_store
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from shared.db.queries import queries
from shared.store_names import require_store_name

_SQL = queries("store_directory")


def replace_name(database_url: str, store_id: str, name: str | None, options: ChangeOptions) -> StoreChange:
    """Set the name; None removes it. Raise `InvalidRequest`, and as `change_store` does."""
    wanted = None if name is None else require_store_name(name)

    def write_name(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        ((before,),) = conn.execute(_SQL["replace_name"], {"store_key": store_key, "name": wanted})
        change.weekly_changed = before != wanted
        is_new = before is None and wanted is not None
        return RowCounts(int(is_new), int(before == wanted), int(before != wanted and not is_new))

    return change_store(database_url, store_id, "stores", options, write_name)
