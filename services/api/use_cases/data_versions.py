"""Read the version of the data that something is computed from, in a fraction of a millisecond."""

from typing import Literal

from psycopg import AsyncConnection

from services.api.use_cases.remembered import DataVersion
from shared.db.queries import queries

_SQL = queries("fleet")


async def read_version(
    conn: AsyncConnection, kind: Literal["series", "live", "ledger"], policy: str = ""
) -> DataVersion:
    """Return the version of the facts of a policy, of live state, or of all polls and terms."""
    row = await (await conn.execute(_SQL[kind], {"policy": policy})).fetchone()
    return DataVersion(*row) if row else DataVersion("", "")
