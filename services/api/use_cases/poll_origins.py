"""Which imports brought some polls of a store, and which lines of their files."""

from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.rows import class_row

from services.api.use_cases.explained_store import PollOrigin
from services.api.use_cases.sealed_polls import SealedReads, StoreNames, lock_polls, sealed_parameters
from services.api.use_cases.store_terms import read_newest_change
from services.api.use_cases.stores import StoreRow
from shared.clock import from_us
from shared.db.queries import queries

_SQL = queries("history")


async def read_poll_origins(
    conn: AsyncConnection, sealed: SealedReads, store: StoreRow, range_us: tuple[int, int], limit: int
) -> Sequence[PollOrigin]:
    """Return up to `limit` polls of a store between two instants (inclusive), as they are now."""
    from_time, to_time = map(from_us, range_us)
    async with conn.transaction(), conn.cursor(row_factory=class_row(PollOrigin)) as cursor:
        await lock_polls(conn)
        newest = await read_newest_change(conn)
        names = StoreNames([store.store_key], [store.store_id])
        old = sealed_parameters(await sealed.read(conn, names, from_time, to_time))
        within = {"store_key": store.store_key, "from_time": from_time, "to_time": to_time, "seq": newest.seq}
        await cursor.execute(_SQL["polls_of_store"], {**within, **old})
        return await cursor.fetchmany(limit)
