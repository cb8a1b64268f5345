"""Reading the input of batches from Postgres, in one snapshot. Knows no accounting."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psycopg
from psycopg import IsolationLevel

from shared.db.queries import queries
from shared.reports.agree import data_range
from shared.reports.model import Batch
from shared.uptime.calendar import Hours
from shared.uptime.kernel import Polls

_SQL = queries("load")
_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which Postgres counts
_POLL = np.dtype([("store_key", ">i4"), ("at_us", ">i8"), ("active", "?")])
_DENSE = 64  # a table of so many places a store is faster than a search for each poll
_HOURS = np.dtype([("store_key", ">i4"), ("day_of_week", ">i2"), ("opens_s", ">i4"), ("closes_s", ">i4")])


@dataclass(frozen=True)
class BatchInput:
    """Stores in the order of the file, and what the accounting needs of them."""

    store_ids: Sequence[str]
    zones: Sequence[str | None]
    hours: Hours
    polls: Polls


@contextmanager
def one_snapshot(conn: psycopg.Connection) -> Iterator[int]:
    """Read everything of the block at one moment; yields its ledger number. `conn` must be outside a transaction."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with conn.transaction():
            conn.execute("set transaction read only")
            cut = conn.execute(_SQL["data_cut"]).fetchone()
            yield cut[0] if cut else 0
    finally:
        conn.isolation_level = None


def load_batch(conn: psycopg.Connection, batch: Batch) -> BatchInput:
    """Load the stores of a batch and what the accounting needs of them, in the caller's transaction."""
    needed = data_range(batch.as_of, batch.policy, batch.windows, detail=batch.detail)
    stores = conn.execute(
        _SQL["stores" if batch.store_keys is None else "stores_by_key"],
        {
            "first_id": batch.first_id,
            "last_id": batch.last_id,
            "data_cut": batch.data_cut,
            "store_keys": batch.store_keys,
        },
    ).fetchall()
    if len(stores) != batch.stores:
        raise RuntimeError(
            f"batch {batch.batch_no} holds {len(stores)} stores, not the {batch.stores} it was made of"
        )
    keys = np.array([key for key, _, _ in stores], dtype=np.int64)
    # In order of the keys the index of a partition is read once from left to right.
    within = {"store_keys": np.sort(keys).tolist(), **needed._asdict()}
    hours = _records(conn, "hours", within, _HOURS)
    polls = _records(conn, "polls", within, _POLL)
    order = np.argsort(keys)
    return BatchInput(
        store_ids=[store_id for _, store_id, _ in stores],
        zones=[zone for _, _, zone in stores],
        hours=Hours(
            _index(keys, order, hours["store_key"]),
            *(hours[name].astype(np.int64) for name in ("day_of_week", "opens_s", "closes_s")),
        ),
        polls=Polls(
            _index(keys, order, polls["store_key"]),
            polls["at_us"].astype(np.int64) + _POSTGRES_EPOCH_US,
            polls["active"],
        ),
    )


def _records(
    conn: psycopg.Connection, query: str, parameters: Mapping[str, object], layout: np.dtype[np.void]
) -> np.ndarray:
    """Run a query of one value, big-endian records in a row, and view it as they are laid out."""
    packed = conn.execute(_SQL[query], parameters, binary=True).fetchone()
    return np.frombuffer(packed[0] if packed and packed[0] else b"", dtype=layout)


def _index(keys: np.ndarray, order: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Positions of `wanted` in `keys`, which `order` sorts; every one is there."""
    first = int(keys[order[0]]) if len(order) else 0
    if len(order) and int(keys[order[-1]]) - first <= _DENSE * len(order):
        place = np.zeros(int(keys[order[-1]]) - first + 1, dtype=np.int64)
        place[keys - first] = np.arange(len(keys))
        return place[wanted.astype(np.int64) - first]
    positions: np.ndarray = order[np.searchsorted(keys, wanted.astype(np.int64), sorter=order)]
    return positions
