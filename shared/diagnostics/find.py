"""Finds what may be wrong with the stored data, for all stores or for some. Only reads."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import available_timezones

import numpy as np
import psycopg
from numpy.typing import NDArray

from shared.db.arrays import key_array
from shared.db.binary_rows import decode_records
from shared.db.queries import queries
from shared.diagnostics.outside_hours import find_polled_outside
from shared.diagnostics.registry import (
    DIAGNOSTICS,
    LONG_CLOSURE_DAYS,
    SHORT_SPAN_S,
    USUAL_SHARE,
    USUAL_STORES,
    DataFinding,
)
from shared.diagnostics.week_rows import WeekFindings, look_at_weeks
from shared.uptime.zones import DAY_S, DEFAULT_TIMEZONE, clock_changes

_SQL = queries("diagnostics")
_EPOCH: Final = date(1970, 1, 1)
_EXAMPLES: Final = 5
_OF_ANY_STORES: Final = (
    "intervals",
    "damaged",
    "polls_after_closed",
    "long_closures",
    "silent_since_hours_changed",
)
_OF_ALL_STORES: Final = ("labels_of_no_store", "closed_weekdays")
# Of many stores, special dates further away are not compared with the clocks: each day of a zone takes 2 microseconds.
_NEAR: Final = timedelta(days=800)
_MANY: Final = 100
# Stores whose polls are compared with their hours. Each takes a search by index.
_MOST_POLLED: Final = 20_000
_MOST_POLLED_OF_FILE: Final = 1_000
_EVERY_STORE: Final = 0  # the key of closures that are not of one store
_YEAR: Final = timedelta(days=366)
_ZONES: Final = frozenset(available_timezones())
_KEY: Final = np.dtype(">i4")
_NONE: Final = np.zeros(0, np.int64)

Ints = NDArray[np.int64]


def find_all(conn: psycopg.Connection) -> list[DataFinding]:
    """Return what all diagnostics find in all stores, in the order of the registry."""
    return _in_order(_find(conn, None, (*_OF_ANY_STORES, *_OF_ALL_STORES)))


def find_in_stores(
    conn: psycopg.Connection, store_keys: Sequence[int], weeks: WeekFindings | None = None
) -> list[DataFinding]:
    """Return what the diagnostics of single stores find in these, and in closures for every store.

    `weeks`: what their weekly hours tell, if that is known.
    """
    if len(store_keys) > _MANY:
        ((stores,),) = conn.execute(_SQL["count_stores"])
        if stores < 2 * len(store_keys):
            # The planner looks at each key that a statement names, so that a million take it a second.
            left_out = _find_others(conn, store_keys) if stores > len(store_keys) else _NONE
            return _in_order(_find(conn, None, _OF_ANY_STORES, weeks, left_out))
    return _in_order(_find(conn, [_EVERY_STORE, *store_keys], _OF_ANY_STORES, weeks))


def _find_others(conn: psycopg.Connection, store_keys: Sequence[int]) -> Ints:
    """Return the keys of all other stores."""
    ((packed,),) = conn.execute(_SQL["keys_of_all"], binary=True)
    every = decode_records(packed, _KEY).astype(np.int64)
    return np.setdiff1d(every, np.array(store_keys, np.int64), assume_unique=True)


def warn_of_store(conn: psycopg.Connection, store_key: int) -> list[str]:
    """Return sentences for what the diagnostics of single stores find in this one, except notices."""
    found = [DIAGNOSTICS[one.name] for one in _in_order(_find(conn, [store_key], _OF_ANY_STORES))]
    return [f"{one.text}: {one.fix}" for one in found if one.severity != "notice"]


def _in_order(found: Iterator[DataFinding]) -> list[DataFinding]:
    order = list(DIAGNOSTICS)
    return sorted(found, key=lambda one: order.index(one.name))


def _find(
    conn: psycopg.Connection,
    store_keys: Sequence[int] | None,
    names: Sequence[str],
    weeks: WeekFindings | None = None,
    left_out: Ints = _NONE,
) -> Iterator[DataFinding]:
    values: dict[str, Any] = {
        "store_keys": None if store_keys is None else key_array(store_keys),
        "left_out": key_array(left_out),
        "examples": _EXAMPLES,
        "short_s": SHORT_SPAN_S,
        "long": timedelta(days=LONG_CLOSURE_DAYS),
        "usual_share": USUAL_SHARE,
        "usual_stores": USUAL_STORES,
    }
    is_of_many = store_keys is None or len(store_keys) > _MANY
    if is_of_many:
        doubtful = (weeks or look_at_weeks(conn, store_keys)).doubtful
        values["doubtful"] = key_array(np.setdiff1d(doubtful, left_out, assume_unique=True))
    else:
        values["doubtful"] = values["store_keys"]
    for name in names:
        for row in conn.execute(_SQL[name], values):
            yield DataFinding(*row)
    zones: set[str | None] = {zone for (zone,) in conn.execute(_SQL["zones"], values)}
    unknown = [zone for zone in zones if zone is not None and zone not in _ZONES]
    if unknown:
        found = conn.execute(_SQL["stores_of_zones"], {**values, "zones": unknown}).fetchall()
        examples = [f"{store_id} ({zone})" for zone, _, stores in found for store_id in stores]
        yield DataFinding("unknown_timezone", sum(count for _, count, _ in found), examples[:_EXAMPLES])
    known = sorted({zone or DEFAULT_TIMEZONE for zone in zones} & _ZONES)
    for row in conn.execute(
        _SQL["clock_changes"], {**values, **_list_changes(conn, known, values, is_of_many=is_of_many)}
    ):
        yield DataFinding(*row)
    # Only a look at everything has the time for more.
    most = _MOST_POLLED_OF_FILE if names is _OF_ANY_STORES else _MOST_POLLED
    if (outside := find_polled_outside(conn, values, most_stores=most)) is not None:
        yield outside


def _list_changes(
    conn: psycopg.Connection, zones: Sequence[str], values: dict[str, Any], *, is_of_many: bool
) -> dict[str, Any]:
    """Return the changes of the clocks in the coming year, and on near special dates, as columns."""
    today = datetime.now(UTC).date()
    near = (today - _NEAR, today + _NEAR) if is_of_many else (date.min, date.max)
    bounds = dict(zip(("first", "last"), near, strict=True))
    ((first, last),) = conn.execute(_SQL["special_range"], {**values, **bounds})
    days = [(day - _EPOCH).days for day in (min(today, first or today), max(today + _YEAR, last or today))]
    rows = [
        (
            zone,
            _EPOCH + timedelta(days=day),
            change.from_s - day * DAY_S,
            change.to_s - day * DAY_S,
            change.is_skipped,
        )
        for zone in zones
        for change in clock_changes(zone, *days)
        for day in range(change.from_s // DAY_S, (change.to_s - 1) // DAY_S + 1)
    ]
    columns = list(zip(*rows, strict=True)) or [()] * 5
    names = ("zones", "days", "from_s", "to_s", "skipped")
    return {
        **{name: list(column) for name, column in zip(names, columns, strict=True)},
        "today": today,
        "default_zone": DEFAULT_TIMEZONE,
    }
