"""Finds stores that are polled, but never while they are open: their hours or their zone are probably wrong."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from shared.clock import to_us
from shared.db.arrays import key_array
from shared.db.binary_rows import STORE_AND_INSTANT, decode_instants_us, decode_records
from shared.db.queries import queries
from shared.diagnostics.registry import DataFinding
from shared.inputs.openings import lie_outside, read_openings
from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.calendar import Spans
from shared.uptime.faults import find_faults
from shared.uptime.intervals import Bools, Int64s

_SQL = queries("diagnostics")
_BACK: Final = timedelta(days=8)
# Polls of an evening after closing are no sign: they must lie further apart, and be too many for chance.
_LEAST_US: Final = 2 * 86_400_000_000
# That as many polls at any time of these days all lie outside.
_CHANCE: Final = 0.001
# Most stores have one of their last polls within opening hours, and need no closer look.
_FIRST_POLLS: Final = 4
_MOST_POLLS: Final = 1024
_Store = tuple[int, str, str | None]  # key, id, zone


def find_polled_outside(
    conn: psycopg.Connection, asked: Mapping[str, Any], *, most_stores: int
) -> DataFinding | None:
    """Look at the last 8 days of up to `most_stores` stores that have hours.

    `asked`: `store_keys`, all if None, but those `left_out`, and how many `examples` to name.
    """
    ((newest,),) = conn.execute(_SQL["newest_poll"]).fetchall()
    if newest is None:
        return None
    given: dict[str, Any] = {"newest": newest, "back": _BACK, "most": most_stores}
    stores: list[_Store] = conn.execute(_SQL["polled_stores"], {**given, **asked}).fetchall()
    for most_polls in (_FIRST_POLLS, _MOST_POLLS):
        stores = _choose(conn, sorted(stores), {**given, "polls": most_polls})
    if not stores:
        return None
    return DataFinding(
        "polls_outside_hours", len(stores), sorted(store_id for _, store_id, _ in stores)[: asked["examples"]]
    )


def _choose(conn: psycopg.Connection, stores: list[_Store], given: dict[str, Any]) -> list[_Store]:
    """Return the stores that were polled, but never while they were open; after the closer look, only if chance does not explain it."""
    if not stores:
        return []
    newest_us = to_us(given["newest"])
    range_us = newest_us - _BACK // timedelta(microseconds=1), newest_us
    keys, zones = [key for key, _, _ in stores], [zone for _, _, zone in stores]
    hours, adjustments = read_openings(conn, keys, zones, range_us)
    if faulty := find_faults(zones, hours, adjustments):
        return _choose(conn, [store for place, store in enumerate(stores) if place not in faulty], given)
    spans = adjusted_schedule(zones, hours, adjustments, *range_us, keep=False).measured
    asked = {**given, "store_keys": key_array(keys)}
    ((packed,),) = conn.execute(_SQL["last_polls"], asked, binary=True).fetchall()
    polls = decode_records(packed or b"", STORE_AND_INSTANT)
    store, at_us = polls["store"].astype(np.int64), decode_instants_us(polls["at_us"])
    inside = np.zeros(len(stores), dtype=np.bool_)
    inside[store[~lie_outside(spans, store, at_us)]] = True
    is_sign = np.bincount(store, minlength=len(stores)) > 0
    if given["polls"] == _MOST_POLLS:
        is_sign = _are_signs(_open_shares(spans, range_us, len(stores)), store, at_us)
    return [stores[place] for place in np.flatnonzero(~inside & is_sign).tolist()]


def _open_shares(spans: Spans, range_us: tuple[int, int], stores: int) -> NDArray[np.float64]:
    """Return the share of the range that each store is open."""
    first_us, last_us = range_us
    open_us = np.maximum(np.minimum(spans.close_us, last_us) - np.maximum(spans.open_us, first_us), 0)
    return np.bincount(spans.store, open_us, minlength=stores) / (last_us - first_us)


def _are_signs(share: NDArray[np.float64], store: Int64s, at_us: Int64s) -> Bools:
    """Return for which stores chance does not explain that no poll was inside."""
    first, last = np.full(len(share), np.iinfo(np.int64).max), np.zeros(len(share), dtype=np.int64)
    np.minimum.at(first, store, at_us)
    np.maximum.at(last, store, at_us)
    number = np.bincount(store, minlength=len(share))
    chance = (1 - share) ** number
    are_signs: Bools = (last - first >= _LEAST_US) & (chance <= _CHANCE)
    return are_signs
