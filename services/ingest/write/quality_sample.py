"""Samples the polls of some stores: how regular they are, and how many lie outside opening hours."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import psycopg
from numpy.typing import NDArray

from shared.clock import from_us, to_us
from shared.db.binary_rows import STORE_AND_INSTANT, decode_instants_us, decode_records
from shared.db.queries import queries
from shared.inputs.adjustments import read_adjustments
from shared.inputs.data_range import DataRange
from shared.inputs.stores import Stores
from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments, adjusted_schedule
from shared.uptime.calendar import Hours, Spans
from shared.uptime.closures import NO_CLOSURES
from shared.uptime.faults import find_faults
from shared.uptime.intervals import Int64s

_SQL = queries("quality")
_SAMPLE_STORES = 128  # measured: the whole report takes 1.5 % of the first load of 1.85 million rows
_SAMPLE_POLLS = 1024  # of one store; 8 days of hourly polls are 192
_SAMPLE_US = 8 * 86_400_000_000
_TIME_BITS = 54  # of an instant in microseconds, until 2540


def sample_polls(conn: psycopg.Connection, newest: datetime) -> dict[str, object]:
    """Sample up to 128 stores over the 8 days up to `newest`.

    Return `sampled_stores`, `sampled_polls`, `gap_median_s` and `gap_p99_s` between consecutive polls of a store, and
    `share_outside_hours` of the polls.
    """
    values = {"newest": newest, "stores": _SAMPLE_STORES, "polls": _SAMPLE_POLLS}
    range_us = to_us(newest) - _SAMPLE_US, to_us(newest)
    stores = _leave_out_faulty(conn, sorted(conn.execute(_SQL["sample"], values).fetchall()), range_us)
    keys, zones = [key for key, _ in stores], [zone for _, zone in stores]
    ((packed,),) = conn.cursor(binary=True).execute(_SQL["sample_polls"], {**values, "store_keys": keys})
    polls = decode_records(packed, STORE_AND_INSTANT)
    store, at_us = polls["store"].astype(np.int64), decode_instants_us(polls["at_us"])
    gaps_s = np.diff(at_us)[np.diff(store) == 0] / 1e6
    median_s, p99_s = np.percentile(gaps_s, (50, 99)).tolist() if gaps_s.size else (None, None)
    spans = adjusted_schedule(zones, *_read_openings(conn, keys, zones, range_us), *range_us).measured
    return {
        "sampled_stores": len(stores),
        "sampled_polls": len(polls),
        "gap_median_s": median_s,
        "gap_p99_s": p99_s,
        "share_outside_hours": float(_find_outside(store, at_us, spans).mean()) if len(polls) else None,
    }


def _leave_out_faulty(
    conn: psycopg.Connection, stores: Sequence[tuple[int, str | None]], range_us: tuple[int, int]
) -> Sequence[tuple[int, str | None]]:
    """Leave out stores whose zone or hours cannot be computed with. Reports name them."""
    keys, zones = [key for key, _ in stores], [zone for _, zone in stores]
    faulty = find_faults(zones, *_read_openings(conn, keys, zones, range_us))
    return [store for place, store in enumerate(stores) if place not in faulty]


def _read_openings(
    conn: psycopg.Connection, keys: Sequence[int], zones: Sequence[str | None], range_us: tuple[int, int]
) -> tuple[Hours, Adjustments]:
    """Return when the stores open: their weekly hours, and what else decides about it. Closures do not."""
    hours = _read_hours(conn, keys)
    seq, adjusted_seq = conn.execute(_SQL["ledger_numbers"]).fetchall()[0]
    if not adjusted_seq:
        return hours, NO_ADJUSTMENTS
    stores = Stores(np.array(keys, dtype=np.int64), [""] * len(keys), zones)
    first, last = map(from_us, range_us)
    stored = read_adjustments(conn, stores, seq).in_range(hours, DataRange(first, first, last))
    return hours, replace(stored, closures=NO_CLOSURES)


def _read_hours(conn: psycopg.Connection, keys: Sequence[int]) -> Hours:
    found = conn.execute(_SQL["sample_hours"], {"store_keys": keys}).fetchall()
    rows = np.array(found, dtype=np.int64).reshape(-1, 4)
    return Hours(np.searchsorted(keys, rows[:, 0]), rows[:, 1], rows[:, 2], rows[:, 3])


def _find_outside(store: Int64s, at_us: Int64s, spans: Spans) -> NDArray[np.bool_]:
    """Return whether each poll lies outside every span of its store."""
    # Store and instant in one integer.
    base = spans.store << _TIME_BITS
    poll = (store << _TIME_BITS) + at_us
    span = np.searchsorted(base + spans.open_us, poll, side="right") - 1
    # Index -1 is for polls before every span.
    closes = np.concatenate((base + spans.close_us, [-1]))
    return np.asarray(poll >= closes[span], np.bool_)
