"""Samples the polls of some stores: how regular they are, and how many lie outside opening hours."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import psycopg

from shared.clock import to_us
from shared.db.binary_rows import STORE_AND_INSTANT, decode_instants_us, decode_records
from shared.db.queries import queries
from shared.inputs.openings import lie_outside, read_openings
from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.faults import find_faults

_SQL = queries("quality")
_SAMPLE_STORES = 128  # measured: the whole report takes 1.5 % of the first load of 1.85 million rows
_SAMPLE_POLLS = 1024  # of one store; 8 days of hourly polls are 192
_SAMPLE_US = 8 * 86_400_000_000


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
    spans = adjusted_schedule(zones, *read_openings(conn, keys, zones, range_us), *range_us).measured
    return {
        "sampled_stores": len(stores),
        "sampled_polls": len(polls),
        "gap_median_s": median_s,
        "gap_p99_s": p99_s,
        "share_outside_hours": float(lie_outside(spans, store, at_us).mean()) if len(polls) else None,
    }


def _leave_out_faulty(
    conn: psycopg.Connection, stores: Sequence[tuple[int, str | None]], range_us: tuple[int, int]
) -> Sequence[tuple[int, str | None]]:
    """Leave out stores whose zone or hours cannot be computed with. Reports name them."""
    keys, zones = [key for key, _ in stores], [zone for _, zone in stores]
    faulty = find_faults(zones, *read_openings(conn, keys, zones, range_us))
    return [store for place, store in enumerate(stores) if place not in faulty]
