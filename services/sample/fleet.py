"""The stores of a sample: ids, zones, opening weeks, behaviour. Must not know polls or files."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.sample.draws import Draws
from services.sample.weeks import WEEKS

# Measured: the zones of 4,559 real stores.
ZONES: Final[dict[str, int]] = {
    "America/Boise": 7,
    "America/Chicago": 3003,
    "America/Denver": 114,
    "America/Detroit": 2,
    "America/Indiana/Indianapolis": 44,
    "America/Los_Angeles": 209,
    "America/New_York": 1119,
    "America/Phoenix": 59,
    "Pacific/Honolulu": 2,
}
# The stores of the documentation: polled to the end, with hours and a zone, and up at times.
DOCUMENTED: Final = ("0042", "0043")
# The zone of a store without one.
DEFAULT_ZONE: Final = "America/Chicago"
NONE: Final = -1  # no zone, or no opening week

# Measured on 3,678 polled stores and on the 882 that have a zone but were never polled.
_POLLED: Final = 3678
_NEVER_POLLED: Final = 882
_NEVER_POLLED_WITHOUT_HOURS: Final = 40
_WITHOUT_HOURS: Final = 54
_WITHOUT_ZONE: Final = 1
_SILENT_IN_LAST_WEEK: Final = 893
_POLLED_THREEFOLD: Final = 735  # one in five
_DARK: Final = 423  # polled in the last week, and never up in it

# Measured: the share of open time that stores were up, dark ones excepted: 76 % to 86 %, or (one in four) 92 % to 99 %.
_USUAL_UP, _GOOD_UP = (0.76, 0.86), (0.92, 0.99)
_GOOD_SHARE: Final = 0.24
# Chosen: a fleet of at least this many stores shows every rarity at least once.
_RARITIES_FROM: Final = 100


@dataclass(frozen=True)
class Fleet:
    """Stores by index, the polled ones first. Each array has one entry per store."""

    store_ids: pl.Series
    zone: NDArray[np.int64]  # index into ZONES, or NONE
    week: NDArray[np.int64]  # index into WEEKS, or NONE: open around the clock
    polls_per_sweep: NDArray[np.int64]  # 1 or 3; 0 for a store that is never polled
    silent_after: NDArray[np.float64]  # share of the time before the last week; 1: polled to the end
    dark: NDArray[np.bool_]  # polled, but never active
    up_share: NDArray[np.float64]  # of the open time of a store that is not dark


def build_fleet(draws: Draws, stores: int) -> Fleet:
    """Make `stores` polled stores, and stores with only hours and a zone in the proportion of real data."""
    extra = round(stores * _NEVER_POLLED / _POLLED)
    total = stores + extra
    index = np.arange(total)
    rank = draws.ranks("kind", stores)
    silent = _choose_stores(rank, _SILENT_IN_LAST_WEEK, stores)
    dark = np.zeros(total, np.bool_)
    dark[:stores] = _choose_stores(
        stores - 1 - rank, _DARK, stores
    )  # from the other end: none of them is silent

    zone = draws.categories("zone", total, np.array(list(ZONES.values())))
    zone[:stores][_choose_stores(draws.ranks("no zone", stores), _WITHOUT_ZONE, stores)] = NONE
    week = draws.categories("week", total, np.array([week.stores for week in WEEKS]))
    week[:stores][_choose_stores(draws.ranks("no hours", stores), _WITHOUT_HOURS, stores)] = NONE
    week[stores:][_choose_stores(draws.ranks("zone only", extra), _NEVER_POLLED_WITHOUT_HOURS, stores)] = NONE

    polls_per_sweep = np.zeros(total, np.int64)
    threefold = _choose_stores(draws.ranks("threefold", stores), _POLLED_THREEFOLD, stores)
    polls_per_sweep[:stores] = np.where(threefold, 3, 1)
    silent_after = np.ones(total)
    silent_after[:stores][silent] = draws.uniform("silent after", index[:stores][silent])
    good = draws.uniform("good", index) < _GOOD_SHARE
    low, high = np.where(good, _GOOD_UP[0], _USUAL_UP[0]), np.where(good, _GOOD_UP[1], _USUAL_UP[1])
    ordinary = ~(silent | dark[:stores]) & (zone[:stores] != NONE) & (week[:stores] != NONE)
    return Fleet(
        store_ids=_name_stores(_draw_uuids(draws, index), np.flatnonzero(ordinary)),
        zone=zone,
        week=week,
        polls_per_sweep=polls_per_sweep,
        silent_after=silent_after,
        dark=dark,
        up_share=low + (high - low) * draws.uniform("up share", index),
    )


def _choose_stores(rank: NDArray[np.int64], measured: int, stores: int) -> NDArray[np.bool_]:
    """Choose ranked stores in the proportion that `measured` has among the real ones."""
    count = round(stores * measured / _POLLED)
    return rank < max(count, int(stores >= _RARITIES_FROM))


def _name_stores(store_ids: pl.Series, ordinary: NDArray[np.int64]) -> pl.Series:
    """Give the first ordinary stores the ids that the documentation uses."""
    chosen = ordinary[: len(DOCUMENTED)]
    return store_ids.scatter(chosen, DOCUMENTED[: len(chosen)])


def _draw_uuids(draws: Draws, index: NDArray[np.int64]) -> pl.Series:
    """Random (version 4) UUIDs as text."""
    halves = np.stack([draws.bits("id high", index), draws.bits("id low", index)], axis=1)
    raw = halves.astype(">u8").view(np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    digits = pl.Series([row.tobytes().hex() for row in raw])
    groups = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
    parts = [digits.str.slice(start, length) for start, length in groups]
    return pl.select(pl.concat_str(parts, separator="-")).to_series()
