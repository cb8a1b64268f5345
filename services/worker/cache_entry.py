"""What the cache of inputs holds of some stores, and how a search in it is described. Must not know the database's queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg

from services.worker.batch_tables import BatchTables
from services.worker.load import Changes, Snapshot
from services.worker.packed_polls import PackedPolls
from shared.inputs.data_range import DataRange
from shared.reports.batch import Batch
from shared.uptime.policy import POLICIES, history_us

# Memory of one store id, a short string.
_ID_BYTES: Final = 80
# The last poll before the others is looked up as far back as any policy needs. It costs the same and serves all.
_HISTORY: Final = timedelta(microseconds=max(history_us(policy) for policy in POLICIES.values()))
BatchStores = tuple[str | None, str | None, int, tuple[int, ...] | None]


@dataclass(frozen=True)
class CacheEntry:
    """What one snapshot held of some stores. In `range`: every poll, and the last one of each store before it."""

    snapshot: Snapshot
    tables: BatchTables
    range: DataRange
    polls: PackedPolls

    @property
    def size_bytes(self) -> int:
        (stores, hours, adjustments), polls = self.tables, self.polls
        arrays = (hours.store, hours.day_of_week, hours.opens_s, hours.closes_s, polls.instants, polls.counts)
        return (
            stores.keys.nbytes
            + sum(array.nbytes for array in arrays)
            + len(stores.ids) * _ID_BYTES
            + adjustments.size_bytes
        )


@dataclass(frozen=True)
class CacheLookup:
    """One search in the cache: the tables as the snapshot has them, and the entry and what has changed since, if any."""

    conn: psycopg.Connection
    batch: Batch
    snapshot: Snapshot
    tables: BatchTables
    cached: CacheEntry | None
    changes: Changes | None


def cache_key(batch: Batch) -> BatchStores:
    """Identify the stores of a batch. Stores are never deleted, so a range of ids with an equal count is unchanged."""
    keys = None if batch.store_keys is None else tuple(batch.store_keys)
    return batch.first_id, batch.last_id, batch.stores, keys


def with_history(every_from: datetime, to_time: datetime) -> DataRange:
    """Return a range whose polls are all needed, and the last poll of each store before it."""
    return DataRange(every_from - _HISTORY, every_from, to_time)
