"""Who set the hours and the time zone of a store, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection

from services.api.use_cases.stores import StoreRow
from shared.db.queries import queries
from shared.keys import StoreScope

_SQL = queries("stores")


@dataclass(frozen=True)
class LastChange:
    """The last change: its import, that import's source (a file or a call), the key that sent it, and when.

    What is not known is None: an import is forgotten after some time. A key that is limited to some stores sees no imports.
    """

    import_id: UUID | None
    source: str | None
    changed_by: str | None
    changed_at: datetime | None


async def read_makers(
    conn: AsyncConnection, store: StoreRow, visible: StoreScope
) -> Mapping[str, LastChange]:
    """Return who last changed the `hours` and the `timezone` of a store, if anything is known."""
    rows = await (await conn.execute(_SQL["makers_of_store"], {"store_key": store.store_key})).fetchall()
    limited = visible.labels is not None
    return {
        what: LastChange(None if limited else import_id, None if limited else source, *known)
        for what, import_id, source, *known in rows
        if known[-1] is not None
    }
