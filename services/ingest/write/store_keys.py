"""The integer keys that the database gives to stores."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.parsed import ParsedPolls
from shared.db.arrays import instant_array, text_array
from shared.db.binary_rows import decode_records
from shared.db.queries import queries

_SQL = queries("ingest")
_KEY, _KEYS_AT_ONCE, _SORTED_AT_ONCE = np.dtype(">i4"), 20_000, 200_000
_STORES_AT_ONCE = 4096  # a chunk may name 100,000 stores, and each takes several objects in memory
_NEVER_US = np.iinfo(np.int64).max
_UNKNOWN = np.zeros(0, np.int64)


def add_stores(
    conn: psycopg.Connection,
    ids: Sequence[str],
    first_us: NDArray[np.int64] = _UNKNOWN,
    seq: int | None = None,
    *,
    kept: bool = True,
) -> dict[str, tuple[int, int | None]]:
    """Insert the new stores. Return each store's key and its first poll, in microseconds since 1970.

    `first_us`: the first poll of each store that the change with the number `seq` is sure to insert. The caller holds the
    writer lock. Stores that will not be `kept` get keys below 0, which uses up no number.
    """
    values = {"ids": text_array(ids), "first_at": instant_array(first_us, _NEVER_US), "seq": seq}
    rows = conn.execute(_SQL["add_stores" if kept else "add_unkept_stores"], values).fetchall()
    return {store_id: (key, first_us) for store_id, key, first_us in rows}


def look_up_keys(conn: psycopg.Connection, ids: pl.Series) -> NDArray[np.int32]:
    """Return the keys of stores in the order given; 0 for one that does not exist."""
    keys = np.zeros(len(ids), np.int32)
    # In the order of the index, a million keys take Postgres less than half of the time. To sort all at once takes memory.
    for block in ids.to_frame("id").with_row_index("place").iter_slices(_SORTED_AT_ONCE):
        for some in block.sort("id", multithreaded=False).iter_slices(_KEYS_AT_ONCE):
            values = {"ids": text_array(some["id"].to_list())}
            ((packed,),) = conn.execute(_SQL["keys_of_stores"], values, binary=True)
            keys[some["place"].to_numpy()] = decode_records(packed, _KEY)
    return keys


class StoreKeys:
    """The keys of one import's stores, and the first poll of each as far as known, in microseconds since 1970."""

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.int32)
        self._first_us = np.zeros(0, np.int64)

    def get_keys(self, conn: psycopg.Connection, parsed: ParsedPolls, seq: int) -> NDArray[np.int32]:
        """Return the keys of all stores of the file so far, by number. Polls of `parsed` are inserted in the change `seq`."""
        if (known := len(self._keys)) < parsed.store_count:
            first_us = _find_first_polls(parsed)
            for start in range(known, parsed.store_count, _STORES_AT_ONCE):
                part = slice(start, min(start + _STORES_AT_ONCE, parsed.store_count))
                ids = parsed.stores.get_ids(part.start, part.stop)
                self._keep_keys(ids, add_stores(conn, ids, first_us[part], seq))
        return self._keys

    def find_first_polls(
        self, store_key: NDArray[np.int32], at_us: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the polls, of those sorted by (store_key, at_us), that are the earliest known of their store."""
        first = np.ones(len(store_key), np.bool_)
        first[1:] = store_key[1:] != store_key[:-1]
        keys, instants = store_key[first], at_us[first]
        earlier = instants < self._first_us[keys]
        self._first_us[keys[earlier]] = instants[earlier]
        return keys[earlier], instants[earlier]

    def _keep_keys(self, ids: Sequence[str], stores: Mapping[str, tuple[int, int | None]]) -> None:
        keys = np.array([stores[store_id][0] for store_id in ids], np.int32)
        firsts = [stores[store_id][1] for store_id in ids]
        self._keys = np.append(self._keys, keys)
        grown = np.full(max(len(self._first_us), int(keys.max()) + 1), _NEVER_US, np.int64)
        grown[: len(self._first_us)] = self._first_us
        grown[keys] = np.array([_NEVER_US if first is None else first for first in firsts], np.int64)
        self._first_us = grown


def _find_first_polls(parsed: ParsedPolls) -> NDArray[np.int64]:
    """Return the first poll of each store by number, among those that do not wait for the index of their week."""
    polls = parsed.deduped.polls.pick(~parsed.maybe_repeated)
    store, place = np.unique(polls.store, return_index=True)
    first_us = np.full(parsed.store_count, _NEVER_US, np.int64)
    first_us[store] = polls.at_us[place]
    return first_us
