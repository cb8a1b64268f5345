"""The keys that the database gives the stores of one import. New stores are inserted."""

from collections.abc import Sequence

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.store_numbers import StoreNumbers
from shared.db.queries import queries

_SQL = queries("ingest")
_LEARNT_AT_ONCE = 4096  # a chunk may name 100,000 stores, each of which is several objects on its way
_NEVER_US = np.iinfo(np.int64).max


def add_stores(conn: psycopg.Connection, ids: Sequence[str]) -> None:
    """Insert the stores that are new; others may do the same at once."""
    conn.execute(_SQL["add_stores"], {"ids": ids})


class StoreKeys:
    """The keys of the stores of one import; for each key the first poll as far as known, in microseconds since 1970."""

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.int32)
        self._first_us = np.zeros(0, np.int64)

    def by_number(self, conn: psycopg.Connection, stores: StoreNumbers, count: int) -> NDArray[np.int32]:
        """The keys of the first `count` of these stores, which are those of all calls."""
        while (known := len(self._keys)) < count:
            self._learn(conn, stores.get_ids(known, min(known + _LEARNT_AT_ONCE, count)))
        return self._keys

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

    def _learn(self, conn: psycopg.Connection, ids: list[str]) -> None:
        add_stores(conn, ids)
        rows = conn.execute(_SQL["store_keys"], {"ids": ids}).fetchall()
        keys = np.array([key for key, _ in rows], np.int32)
        first_us = np.array([_NEVER_US if first is None else first for _, first in rows], np.int64)
        self._keys = np.append(self._keys, keys)
        grown = np.full(max(len(self._first_us), int(keys.max()) + 1), _NEVER_US, np.int64)
        grown[: len(self._first_us)] = self._first_us
        grown[keys] = first_us
        self._first_us = grown
