"""Read the stores of a printed report as they were at its data cut. Must not know the pages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import psycopg
from psycopg.rows import class_row

from services.worker.load_past import read_past_polls, refuse_forgotten
from shared.clock import from_us
from shared.db.queries import queries
from shared.inputs.data_range import DataRange
from shared.inputs.notes import read_notes
from shared.inputs.store_terms import StoreAtCut, TermsRow, parse_terms, terms_parameters
from shared.inputs.stores import Stores
from shared.sealed.reader import SealedPolls
from shared.uptime.states import Polls
from shared.uptime.store_terms import StoreTerms

_SQL, _TERMS = queries("printed"), queries("store_terms")


@dataclass(frozen=True)
class StoreAtRead:
    """One store with everything that its page is computed from. The polls are those of store number 0."""

    store: StoreAtCut
    terms: StoreTerms
    polls: Polls


def read_stores_at(
    conn: psycopg.Connection,
    store_ids: Sequence[str],
    seq: int,
    range_us: tuple[int, int],
    sealed: SealedPolls,
    excluded: Sequence[str] = (),
) -> Iterator[StoreAtRead]:
    """Yield the stores with these ids, in their order, and their polls of a range. `conn` is in one snapshot.

    `excluded` are the reasons that the report excludes. Raises `DataForgotten` if the data at the ledger number is gone.
    """
    first, last = map(from_us, range_us)
    needed = DataRange(first, first, last)
    refuse_forgotten(conn, seq, needed)
    given = {"store_ids": list(store_ids), "seq": seq}
    with conn.cursor(row_factory=class_row(StoreAtCut)) as cursor:
        found = {store.store_id: store for store in cursor.execute(_SQL["stores_at_cut"], given)}
    stores = [found[store_id] for store_id in store_ids]
    keys = np.array([store.store_key for store in stores], dtype=np.int64)
    zones = [store.zone for store in stores]
    of_report = Stores(keys, store_ids, zones)
    polls = read_past_polls(conn, of_report, needed, seq, sealed)
    notes = read_notes(conn, of_report, (first, last), seq, excluded)
    order = np.lexsort((polls.at_us, polls.store))
    borders = np.searchsorted(polls.store[order], np.arange(len(stores) + 1))
    for place, store in enumerate(stores):
        own = order[borders[place] : borders[place + 1]]
        terms = _read_terms(conn, store, range_us)
        yield StoreAtRead(
            store,
            replace(terms, notes=notes.of_store(place)),
            Polls(np.zeros(len(own), dtype=np.int64), polls.at_us[own], polls.active[own]),
        )


def read_names(conn: psycopg.Connection, store_ids: Iterable[str]) -> Mapping[str, str]:
    """Return the names of those stores that have one, by id."""
    return dict(conn.execute(_SQL["names"], {"store_ids": list(store_ids)}).fetchall())


def _read_terms(conn: psycopg.Connection, store: StoreAtCut, range_us: tuple[int, int]) -> StoreTerms:
    with conn.cursor(row_factory=class_row(TermsRow)) as cursor:
        return parse_terms(
            store, cursor.execute(_TERMS["terms"], terms_parameters(store, range_us)).fetchone()
        )
