"""Reads the closures that hold and that a key sees."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.db.queries import queries
from shared.errors import ClosureNotFound
from shared.keys import StoreScope

_SQL = queries("adjust")


@dataclass(frozen=True)
class ClosureRow:
    """A closure that holds, or that was withdrawn. `store_id` is None if it is for stores by labels; without labels, for every store.

    A dry run shows one that would hold: it has no import yet, and a new one no id.
    """

    id: UUID | None
    store_id: str | None
    labels: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    treatment: Any
    reason: str
    note: str
    import_id: UUID | None
    declared_by: str | None
    declared_at: datetime
    changed_by: str | None
    changed_at: datetime
    withdrawn_by: str | None = None
    withdrawn_at: datetime | None = None

    def changed(self, by: str, columns: Mapping[str, Any]) -> Self:
        """Return the closure as a key would change it."""
        return replace(self, import_id=None, changed_by=by, changed_at=datetime.now(UTC), **columns)


async def list_closures(
    conn: AsyncConnection,
    visible: StoreScope,
    *,
    store_id: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    withdrawn: bool = False,
    limit: int,
) -> list[ClosureRow]:
    """Return up to `limit` closures that hold, or that were withdrawn, latest start first."""
    before_at, before_id = before or (None, None)
    return await _select_closures(
        conn,
        visible,
        store_id=store_id,
        before_at=before_at,
        before_id=before_id,
        withdrawn=withdrawn,
        limit=limit,
    )


async def get_closure(conn: AsyncConnection, visible: StoreScope, closure_id: UUID) -> ClosureRow:
    """Return a closure that holds or was withdrawn. Raise `ClosureNotFound`."""
    found = await _select_closures(conn, visible, id=closure_id, limit=1)
    if not found:
        raise closure_not_found(closure_id)
    return found[0]


async def _select_closures(conn: AsyncConnection, visible: StoreScope, **chosen: Any) -> list[ClosureRow]:
    unset = dict.fromkeys(("id", "store_id", "before_at", "before_id", "withdrawn"))
    async with conn.cursor(row_factory=class_row(ClosureRow)) as cursor:
        await cursor.execute(
            _SQL["list_closures"], {**unset, **chosen, "scope": scope_json(visible)}, prepare=False
        )
        return await cursor.fetchall()


def scope_json(visible: StoreScope) -> Jsonb | None:
    """The labels to which a key is limited, as the statements take them; None if it sees every store."""
    return None if visible.labels is None else Jsonb(dict(visible.labels))


def closure_not_found(closure_id: UUID) -> ClosureNotFound:
    """The error of a closure that a key does not see."""
    return ClosureNotFound(
        f"closure {closure_id} does not exist, was withdrawn, or is not visible to this key: list the closures to find it"
    )
