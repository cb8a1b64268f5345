"""Samples the polls of some stores: how regular they are, and how many lie outside opening hours."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import psycopg
from numpy.typing import NDArray

from shared.clock import to_us
from shared.db.binary_rows import STORE_AND_INSTANT, decode_instants_us, decode_records
from shared.db.queries import queries
from shared.uptime.calendar import Hours, Spans, spans_of
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
    stores = _leave_out_faulty(conn, sorted(conn.execute(_SQL["sample"], values).fetchall()))
    keys = [key for key, _ in stores]
    ((packed,),) = conn.cursor(binary=True).execute(_SQL["sample_polls"], {**values, "store_keys": keys})
    polls = decode_records(packed, STORE_AND_INSTANT)
    store, at_us = polls["store"].astype(np.int64), decode_instants_us(polls["at_us"])
    gaps_s = np.diff(at_us)[np.diff(store) == 0] / 1e6
    median_s, p99_s = np.percentile(gaps_s, (50, 99)).tolist() if gaps_s.size else (None, None)
    newest_us = to_us(newest)
    spans = spans_of([zone for _, zone in stores], _read_hours(conn, keys), newest_us - _SAMPLE_US, newest_us)
    return {
        "sampled_stores": len(stores),
        "sampled_polls": len(polls),
        "gap_median_s": median_s,
        "gap_p99_s": p99_s,
        "share_outside_hours": float(_find_outside(store, at_us, spans).mean()) if len(polls) else None,
    }


def _leave_out_faulty(
    conn: psycopg.Connection, stores: Sequence[tuple[int, str | None]]
) -> Sequence[tuple[int, str | None]]:
    """Leave out stores whose zone or hours cannot be computed with. Reports name them."""
    faulty = find_faults([zone for _, zone in stores], _read_hours(conn, [key for key, _ in stores]))
    return [store for place, store in enumerate(stores) if place not in faulty]


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
