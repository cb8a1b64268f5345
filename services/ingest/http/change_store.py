"""Makes one change of a store, counted like a file that names only this store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg

from services.ingest.http.record_change import ChangeKind, record_change
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.store_keys import add_stores
from shared.db.queries import queries
from shared.diagnostics.find import warn_of_store
from shared.errors import InvalidRequest, StoreNotFound
from shared.row_reasons import ROW_REASONS
from shared.texts import quoted

_SQL = queries("live")
_EVERY_STORE = "*"


@dataclass(frozen=True)
class StoreChange:
    """The change of one store: the import that records it, its counts, and what the sender should check.

    A dry run has no import.
    """

    store_id: str
    import_id: UUID | None
    counts: RowCounts
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class ChangeOptions:
    """Who makes a change, whether it adds an unknown store, and whether it is a dry run.

    `create` None: the call never adds one.
    """

    created_by: str
    create: bool | None = False
    dry_run: bool = False


def change_store(
    database_url: str,
    store_id: str,
    kind: ChangeKind,
    options: ChangeOptions,
    write_change: Callable[[psycopg.Connection, int, AdjustmentChange], RowCounts],
) -> StoreChange:
    """Make one change. `write_change` gets the store's key, and returns the counts.

    Raise `InvalidRequest`, `DatabaseUnavailable`, and `StoreNotFound` for an unknown store unless it may be created.
    """
    if options.create and store_id == _EVERY_STORE:
        raise InvalidRequest(f"{quoted(store_id)}: {ROW_REASONS['every_store']}", field="path.store_id")
    warnings: list[str] = []

    def write(conn: psycopg.Connection, change: AdjustmentChange) -> RowCounts:
        if not options.create and conn.execute(_SQL["store_exists"], {"store_id": store_id}).fetchone() != (
            True,
        ):
            hint = "" if options.create is None else ", or pass create=true (--create) to add the store"
            raise StoreNotFound(f"store {quoted(store_id)} does not exist: check the id{hint}")
        store_key, _ = add_stores(conn, [store_id], kept=not options.dry_run)[store_id]
        counts = write_change(conn, store_key, change)
        warnings.extend(warn_of_store(conn, store_key))
        return counts

    import_id, counts = record_change(
        database_url, kind, f"store {store_id}", options.created_by, write, dry_run=options.dry_run
    )
    return StoreChange(store_id, import_id, counts, warnings)
