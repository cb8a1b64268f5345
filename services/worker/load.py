"""Reading the input of batches from Postgres, in one snapshot. Knows no accounting."""

from collections.abc import Iterator, Sequence
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
    from_time, to_time = data_range(batch.as_of, batch.policy, batch.windows)
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
    within = {"store_keys": keys.tolist(), "from_time": from_time, "to_time": to_time}
    hours = np.array(conn.execute(_SQL["hours"], within).fetchall(), dtype=np.int64).reshape(-1, 4)
    packed = conn.execute(_SQL["polls"], within, binary=True).fetchone()
    polls = np.frombuffer(packed[0] if packed and packed[0] else b"", dtype=_POLL)
    order = np.argsort(keys)
    return BatchInput(
        store_ids=[store_id for _, store_id, _ in stores],
        zones=[zone for _, _, zone in stores],
        hours=Hours(_index(keys, order, hours[:, 0]), hours[:, 1], hours[:, 2], hours[:, 3]),
        polls=Polls(
            _index(keys, order, polls["store_key"].astype(np.int64)),
            polls["at_us"].astype(np.int64) + _POSTGRES_EPOCH_US,
            polls["active"],
        ),
    )


def _index(keys: np.ndarray, order: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Positions of `wanted` in `keys`, which `order` sorts; every one is there."""
    positions: np.ndarray = order[np.searchsorted(keys, wanted, sorter=order)]
    return positions
