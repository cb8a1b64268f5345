"""Read what polls say besides a status, as it was at a ledger number. Must not know what it means for times."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import psycopg

from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.inputs.stores import Stores, find_places
from shared.uptime.notes import NO_NOTES, PollNotes

_SQL = queries("notes")
# 2000-01-01, from which Postgres counts.
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000
_NOTE: Final = np.dtype([("store_key", ">i4"), ("at_us", ">i8"), ("code", ">i2")])
ACTIVE_BIT, EVENT_BIT, REASON_SHIFT = 1, 2, 2


def read_notes(
    conn: psycopg.Connection,
    stores: Stores,
    range_: tuple[datetime, datetime],
    seq: int,
    excluded: Sequence[str] = (),
) -> PollNotes:
    """Return the notes about the polls of stores between two instants, both included. `excluded`: words of reasons."""
    given = _parameters(stores, range_, seq)
    notes = _parse(stores, conn.execute(_SQL["notes"], given, binary=True).fetchone())
    if not excluded or not len(notes):
        return notes
    return _excluding(notes, conn.execute(_SQL["numbers"], {"words": list(excluded)}).fetchall())


async def read_notes_async(
    conn: psycopg.AsyncConnection,
    stores: Stores,
    range_: tuple[datetime, datetime],
    seq: int,
    excluded: Sequence[str] = (),
) -> PollNotes:
    """Do what `read_notes` does, on an asynchronous connection."""
    given = _parameters(stores, range_, seq)
    notes = _parse(stores, await (await conn.execute(_SQL["notes"], given, binary=True)).fetchone())
    if not excluded or not len(notes):
        return notes
    cursor = await conn.execute(_SQL["numbers"], {"words": list(excluded)})
    return _excluding(notes, await cursor.fetchall())


def read_reason_words(conn: psycopg.Connection) -> Mapping[int, str]:
    """Return the words of all reasons by their numbers, also of removed ones."""
    return dict(conn.execute(_SQL["reasons"]).fetchall())


async def read_reason_words_async(conn: psycopg.AsyncConnection) -> Mapping[int, str]:
    """Do what `read_reason_words` does, on an asynchronous connection."""
    return dict(await (await conn.execute(_SQL["reasons"])).fetchall())


def _excluding(notes: PollNotes, rows: Sequence[tuple[Any, ...]]) -> PollNotes:
    return replace(notes, excluded=tuple(number for (number,) in rows))


def _parameters(stores: Stores, range_: tuple[datetime, datetime], seq: int) -> dict[str, Any]:
    return {
        "store_keys": key_array(np.sort(stores.keys)),
        "from_time": range_[0],
        "to_time": range_[1],
        "seq": seq,
    }


def _parse(stores: Stores, row: tuple[Any, ...] | None) -> PollNotes:
    if not row or not row[0]:
        return NO_NOTES
    records = np.frombuffer(row[0], _NOTE)
    code = records["code"].astype(np.int64)
    return PollNotes(
        find_places(stores, records["store_key"]),
        records["at_us"].astype(np.int64) + _POSTGRES_EPOCH_US,
        (code & ACTIVE_BIT).astype(np.bool_),
        (code & EVENT_BIT).astype(np.bool_),
        code >> REASON_SHIFT,
    )
