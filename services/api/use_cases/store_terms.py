"""Read what decides when one store is open and asked about, at a ledger number, with the names of its sources."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import class_row

from shared.clock import from_us
from shared.db.queries import queries
from shared.inputs.notes import read_notes_async
from shared.inputs.store_terms import StoreAtCut, TermsRow, terms_parameters
from shared.inputs.store_terms import parse_terms as parse_row
from shared.inputs.stores import Stores
from shared.uptime.notes import PollNotes
from shared.uptime.store_terms import StoreTerms

_SQL = queries("store_terms")


class NewestChange(NamedTuple):
    """The newest poll, the ledger number of this snapshot, and that of the last adjustment; 0 if there never was one."""

    latest_observed_at: datetime | None
    seq: int
    adjusted_seq: int


async def read_newest_change(conn: AsyncConnection) -> NewestChange:
    """Return what the head of the import ledger holds."""
    row = await (await conn.execute(_SQL["newest_change"])).fetchone()
    return NewestChange(*row) if row else NewestChange(None, 0, 0)


async def read_terms(
    conn: AsyncConnection, store: StoreAtCut, range_us: tuple[int, int], *, adjusted: bool
) -> StoreTerms:
    """Read the terms that can matter in a range of time. `adjusted`: whether the database has any adjustment at all.

    Raises `StoreFailed` if the zone or any hours are invalid.
    """
    return await parse_terms(store, await request_terms(conn, store, range_us) if adjusted else None)


async def read_store_notes(
    conn: AsyncConnection, store: StoreAtCut, range_us: tuple[int, int], excluded: Sequence[str] = ()
) -> PollNotes:
    """Read the notes about the store's polls in a range of time. `excluded`: words of reasons."""
    only = Stores(np.array([store.store_key], dtype=np.int64), [store.store_id], [store.zone])
    from_time, to_time = map(from_us, range_us)
    return await read_notes_async(conn, only, (from_time, to_time), store.seq, excluded)


async def request_terms(
    conn: AsyncConnection, store: StoreAtCut, range_us: tuple[int, int]
) -> AsyncCursor[TermsRow]:
    """Send the query for what adjusts the weekly hours. In a pipeline it does not wait for the answer."""
    given = terms_parameters(store, range_us)
    return await conn.cursor(row_factory=class_row(TermsRow)).execute(_SQL["terms"], given)


async def parse_terms(store: StoreAtCut, answer: AsyncCursor[TermsRow] | None) -> StoreTerms:
    """Return the terms from what `request_terms` returned. Without that, only the weekly hours apply."""
    return parse_row(store, await answer.fetchone() if answer else None)
