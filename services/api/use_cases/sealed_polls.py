"""Read polls of sealed weeks for a call, through the lane of the object store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from psycopg import AsyncConnection

from shared.clock import to_us
from shared.db.queries import queries
from shared.errors import ObjectLost, StorageUnavailable
from shared.lane import Lane
from shared.sealed.read_week import read_week
from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import SealedWeek
from shared.storage import Storage

_SQL = queries("sealed")


@dataclass(frozen=True)
class StoreNames:
    """Stores by key and id, in the same order."""

    keys: Sequence[int]
    ids: Sequence[str]


@dataclass(frozen=True)
class SealedReads:
    """Where sealed weeks are read from."""

    storage: Storage
    lane: Lane

    async def read(
        self, conn: AsyncConnection, stores: StoreNames, from_time: datetime, to_time: datetime
    ) -> SealedRows:
        """Return the polls of stores in sealed weeks, by week, store and time. Most calls need no sealed week.

        `conn` is in a transaction that began with `lock_polls`. Raises `StorageUnavailable`, also for a damaged object.
        """
        within = {"from_time": from_time, "to_time": to_time}
        rows = await (await conn.execute(_SQL["weeks"], within)).fetchall()
        keys, range_us = np.array(stores.keys, np.int64), (to_us(from_time), to_us(to_time))
        found = []
        for week in [SealedWeek.of_row(*row) for row in rows]:
            read = partial(read_week, self.storage, week, stores.ids, keys, range_us)
            try:
                found.append(await self.lane.run(read))
            except ObjectLost as error:
                raise StorageUnavailable(f"{error}; restore it from a copy of the bucket") from error
        return SealedRows.join(found)


async def lock_polls(conn: AsyncConnection) -> None:
    """Keep weeks from being sealed while the transaction reads polls. It must be the first statement."""
    await conn.execute(_SQL["lock_table"])


def sealed_parameters(rows: SealedRows) -> dict[str, Any]:
    """Return the parameters with which statements read sealed polls of one or several stores beside the table."""
    return {
        "sealed_keys": rows.store_key.tolist(),
        "sealed_at_us": rows.at_us.tolist(),
        "sealed_active": rows.active.tolist(),
        "sealed_seqs": rows.seq.tolist(),
    }
