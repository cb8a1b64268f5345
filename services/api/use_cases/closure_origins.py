"""Who declared closures, and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection

from shared.db.queries import queries

_SQL = queries("store_terms")


class ClosureOrigin(NamedTuple):
    """The import that recorded a closure: its source, such as a file or a call, and the name of the key that sent it."""

    source: str
    key_name: str | None
    committed_at: datetime | None


async def read_closure_origins(
    conn: AsyncConnection, closure_ids: Sequence[str]
) -> Mapping[str, ClosureOrigin]:
    """Return the origin of each closure by its id. One without a known import is left out."""
    if not closure_ids:
        return {}
    found = await conn.execute(_SQL["closure_origins"], {"ids": list(closure_ids)})
    return {closure_id: ClosureOrigin(*origin) for closure_id, *origin in await found.fetchall()}
