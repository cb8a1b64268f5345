"""When some stores open now, and which polls lie outside. Closures do not matter: the store would be open."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import psycopg

from shared.clock import from_us
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.inputs.adjustments import read_adjustments
from shared.inputs.data_range import DataRange
from shared.inputs.stores import Stores
from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments
from shared.uptime.calendar import Hours, Spans
from shared.uptime.closures import NO_CLOSURES
from shared.uptime.intervals import Bools, Int64s, Line

_SQL = queries("openings")


def read_openings(
    conn: psycopg.Connection, keys: Sequence[int], zones: Sequence[str | None], range_us: tuple[int, int]
) -> tuple[Hours, Adjustments]:
    """Return the weekly hours of stores whose keys ascend, and what else decides when they open in a range of time."""
    found = conn.execute(_SQL["weekly_hours"], {"store_keys": key_array(keys)}).fetchall()
    rows = np.array(found, dtype=np.int64).reshape(-1, 4)
    hours = Hours(np.searchsorted(keys, rows[:, 0]), rows[:, 1], rows[:, 2], rows[:, 3])
    ((seq, adjusted_seq),) = conn.execute(_SQL["ledger_numbers"]).fetchall()
    if not adjusted_seq:
        return hours, NO_ADJUSTMENTS
    stores = Stores(np.array(keys, dtype=np.int64), [""] * len(keys), zones)
    first, last = map(from_us, range_us)
    stored = read_adjustments(conn, stores, seq).in_range(hours, DataRange(first, first, last))
    return hours, replace(stored, closures=NO_CLOSURES)


def lie_outside(spans: Spans, store: Int64s, at_us: Int64s) -> Bools:
    """Return whether each instant lies outside every span of its store."""
    if not len(at_us):
        return np.zeros(0, dtype=np.bool_)
    stores = 1 + int(max(store.max(), spans.store.max(initial=0)))
    first_us, last_us = (
        int(find(np.append(of_spans, of_instants)))
        for find, of_spans, of_instants in ((np.min, spans.open_us, at_us), (np.max, spans.close_us, at_us))
    )
    line = Line.covering(first_us, last_us, stores)
    place = line.place(store, at_us)
    span = np.searchsorted(line.place(spans.store, spans.open_us), place, side="right") - 1
    # Index -1 is for instants before every span.
    closes = np.append(line.place(spans.store, spans.close_us), -1)
    outside: Bools = place >= closes[span]
    return outside
