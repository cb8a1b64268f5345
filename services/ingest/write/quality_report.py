"""The quality report of an import: what its rows say about the data, at a cost that does not grow with it.

It describes the tables once the import is in. Counts are exact; cadence and polls outside opening hours come from a
sample of stores. Knows no file and writes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import dict_row

from shared.clock import to_us
from shared.db.queries import queries
from shared.uptime.calendar import Hours, Spans, spans_of
from shared.uptime.intervals import Int64s

_SQL = queries("quality")
_SAMPLE_STORES = 128  # measured: the whole report takes 1.5 % of the first load of 1.85 million rows
_SAMPLE_POLLS = 1024  # of one store; 8 days of hourly polls are 192
_SAMPLE_US = 8 * 86_400_000_000
_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which Postgres counts
_TIME_BITS = 54  # of an instant in microseconds, until 2540
_POLL = np.dtype([("store", ">i4"), ("at_us", ">i8")])


def quality_report(conn: psycopg.Connection, import_id: UUID) -> dict[str, object]:
    """What is worth telling the owner of the data, by name; null where there is nothing to divide.

    Of any import `rejects` by reason, `duplicates`, `corrections`, `stores`, `stores_without_hours` (open 24x7) and
    `stores_without_timezone`: of the polled stores after polls, of all stores after hours or zones.

    Hours add `hours_rows`, `seams_snapped` (closing 23:59:59 or 23:59:00, read as 24:00) and `overlapping_hours` (rows
    that open before an earlier one of the store closes). Polls add `newest_poll`, the newest that the import changed,
    or the newest at all, and up to it: `stores_silent_24h` (polled before, not in those 24 hours) and, of up to 128
    stores in 8 days, `sampled_stores`, `sampled_polls`, `gap_median_s` and `gap_p99_s` between consecutive polls of a
    store, `share_outside_hours` of the polls. An archive answers for its members.
    """
    ((kind, ids, duplicates, corrections),) = conn.execute(_SQL["subject"], {"id": import_id})
    report: dict[str, object] = {
        "rejects": dict(conn.execute(_SQL["rejects"], {"ids": ids}).fetchall()),
        "duplicates": duplicates,
        "corrections": corrections,
    }
    has_polls = kind in {"polls", "archive"}
    with conn.cursor(row_factory=dict_row) as cursor:
        report |= cursor.execute(_SQL["stores"], {"polled_only": has_polls}).fetchall()[0]
        if kind in {"hours", "archive"}:
            report |= cursor.execute(_SQL["hours"]).fetchall()[0]
    if has_polls and (newest := _newest(conn, ids)):
        report |= _polls(conn, newest)
    return report


def _newest(conn: psycopg.Connection, import_ids: Sequence[UUID]) -> datetime | None:
    ((changed,),) = conn.execute(_SQL["newest_change"], {"ids": import_ids})
    ((latest,),) = conn.execute(_SQL["latest_poll"])
    newest: datetime | None = changed or latest
    return newest


def _polls(conn: psycopg.Connection, newest: datetime) -> dict[str, object]:
    ((silent,),) = conn.execute(_SQL["stores_silent"], {"newest": newest})
    return {"newest_poll": newest.isoformat(), "stores_silent_24h": silent, **_sample(conn, newest)}


def _sample(conn: psycopg.Connection, newest: datetime) -> dict[str, object]:
    values = {"newest": newest, "stores": _SAMPLE_STORES, "polls": _SAMPLE_POLLS}
    stores = sorted(conn.execute(_SQL["sample"], values).fetchall())
    keys = [key for key, _ in stores]
    ((packed,),) = conn.cursor(binary=True).execute(_SQL["sample_polls"], {**values, "store_keys": keys})
    polls = np.frombuffer(packed or b"", _POLL)
    store, at_us = polls["store"].astype(np.int64), polls["at_us"].astype(np.int64) + _POSTGRES_EPOCH_US
    gaps_s = np.diff(at_us)[np.diff(store) == 0] / 1e6
    rows = np.array(
        conn.execute(_SQL["sample_hours"], {"store_keys": keys}).fetchall(), dtype=np.int64
    ).reshape(-1, 4)
    hours = Hours(np.searchsorted(keys, rows[:, 0]), rows[:, 1], rows[:, 2], rows[:, 3])
    newest_us = to_us(newest)
    spans = spans_of([zone for _, zone in stores], hours, newest_us - _SAMPLE_US, newest_us)
    median_s, p99_s = np.percentile(gaps_s, (50, 99)).tolist() if gaps_s.size else (None, None)
    return {
        "sampled_stores": len(stores),
        "sampled_polls": len(polls),
        "gap_median_s": median_s,
        "gap_p99_s": p99_s,
        "share_outside_hours": float(_outside(store, at_us, spans).mean()) if len(polls) else None,
    }


def _outside(store: Int64s, at_us: Int64s, spans: Spans) -> NDArray[np.bool_]:
    """Whether each poll lies in no span of its store."""
    base = spans.store << _TIME_BITS  # store and instant in one integer
    poll = (store << _TIME_BITS) + at_us
    span = np.searchsorted(base + spans.open_us, poll, side="right") - 1
    closes = np.concatenate((base + spans.close_us, [-1]))  # the last one for polls before every span
    return np.asarray(poll >= closes[span], np.bool_)
