"""Turns store ids into store keys: a dictionary of the ids one import has met. New stores are inserted."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import psycopg
from numpy.typing import NDArray

from shared.db.queries import queries

_SQL = queries("ingest")
_LEARNT_AT_ONCE = 4096  # a chunk may name 100,000 stores, each of which is several objects on its way
_NEVER_US = np.iinfo(np.int64).max


def add_stores(conn: psycopg.Connection, ids: Sequence[str]) -> None:
    """Insert the stores that are new; others may do the same at once."""
    conn.execute(_SQL["add_stores"], {"ids": ids})


class StoreKeys:
    """Ids and keys; for each key the first poll as far as known, in microseconds since 1970."""

    def __init__(self) -> None:
        self._known = pl.DataFrame(schema={"store_id": pl.String, "store_key": pl.Int32})
        self._first_us = np.zeros(0, np.int64)

    def resolve(self, conn: psycopg.Connection, ids: pl.Series) -> NDArray[np.int32]:
        """The key of each of these distinct ids."""
        keys = self._look_up(ids)
        if keys.null_count():
            unknown = ids.filter(keys.is_null())
            for start in range(0, len(unknown), _LEARNT_AT_ONCE):
                self._learn(conn, unknown.slice(start, _LEARNT_AT_ONCE).to_list())
            keys = self._look_up(ids)
        return keys.to_numpy()

    def first_polls(
        self, store_key: NDArray[np.int32], at_us: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Which of these polls, sorted by (store_key, at_us), are earlier than any known of their store."""
        first = np.ones(len(store_key), np.bool_)
        first[1:] = store_key[1:] != store_key[:-1]
        keys, instants = store_key[first], at_us[first]
        earlier = instants < self._first_us[keys]
        self._first_us[keys[earlier]] = instants[earlier]
        return keys[earlier], instants[earlier]

    def _look_up(self, ids: pl.Series) -> pl.Series:
        frame = ids.alias("store_id").to_frame()
        return frame.join(self._known, on="store_id", how="left", maintain_order="left")["store_key"]

    def _learn(self, conn: psycopg.Connection, ids: list[str]) -> None:
        add_stores(conn, ids)
        rows = conn.execute(_SQL["store_keys"], {"ids": ids}).fetchall()
        schema = {"store_id": pl.String, "store_key": pl.Int32, "first_us": pl.Int64}
        learnt = pl.DataFrame(rows, schema=schema, orient="row")
        self._known = pl.concat([self._known, learnt.drop("first_us")], rechunk=True)
        keys = learnt["store_key"].to_numpy()
        grown = np.full(max(len(self._first_us), int(keys.max()) + 1), _NEVER_US, np.int64)
        grown[: len(self._first_us)] = self._first_us
        grown[keys] = learnt["first_us"].fill_null(_NEVER_US).to_numpy()
        self._first_us = grown
