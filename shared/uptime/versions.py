"""Which rows of a store's weekly hours hold on a local date. Knows no zones and no special days."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from shared.uptime.calendar import Hours, closing_s, merge_local
from shared.uptime.dates import EARLIEST_DAY, DatedHours
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.zones import DAY_S

_EPOCH_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday
_DATE_BITS: Final = 33


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions by (rank of the store, date), and their rows by (version, weekday)."""

    key: Int64s
    first: Int64s  # of each store
    row_key: Int64s
    opens_s: Int64s
    closes_s: Int64s

    @classmethod
    def of(cls, stores: Int64s, chosen: Bools, hours: Hours, dated: DatedHours) -> Self:
        """A store without dated hours has one version: its rows of `hours`."""
        has_versions = np.zeros(len(chosen), dtype=np.bool_)
        has_versions[dated.store] = True
        undated = stores[~has_versions[stores]]
        version_store = np.concatenate((dated.store, undated))
        from_day = np.concatenate((dated.from_day, np.full(len(undated), EARLIEST_DAY)))
        key = _date_key(np.searchsorted(stores, version_store), from_day)
        order = np.argsort(key)
        position = np.empty_like(order)
        position[order] = np.arange(len(order))
        own = np.flatnonzero(chosen[hours.store] & ~has_versions[hours.store])
        own_version = len(dated.store) + np.searchsorted(undated, hours.store[own])
        version = position[np.concatenate((dated.version, own_version))]
        rows = (
            np.concatenate((of_version, of_store[own]))
            for of_version, of_store in (
                (dated.day_of_week, hours.day_of_week),
                (dated.opens_s, hours.opens_s),
                (dated.closes_s, hours.closes_s),
            )
        )
        row_key, opens_s, closes_s = _with_open_days(version, *rows, versions=len(order))
        first = np.searchsorted(key[order], _date_key(np.arange(len(stores)), EARLIEST_DAY))
        return cls(key[order], first, row_key, opens_s, closes_s)

    def rows_on(self, rank: Int64s, day: Int64s) -> tuple[Int64s, Int64s]:
        """The first of the rows that hold on each store's date, and how many there are."""
        version = np.searchsorted(self.key, _date_key(rank, day), side="right") - 1
        version = np.maximum(version, self.first[rank])
        row_key = version * 7 + (day + _EPOCH_WEEKDAY) % 7
        first = np.searchsorted(self.row_key, row_key)
        return first, np.searchsorted(self.row_key, row_key, side="right") - first


def _with_open_days(
    version: Int64s, day_of_week: Int64s, opens_s: Int64s, closes_s: Int64s, *, versions: int
) -> tuple[Int64s, Int64s, Int64s]:
    """Rows by (version, weekday), with seven whole days for each version that has none."""
    empty = np.flatnonzero(np.bincount(version, minlength=versions) == 0)
    row_key = np.concatenate((version * 7 + day_of_week, (empty[:, None] * 7 + np.arange(7)).ravel()))
    whole_days = np.zeros(7 * len(empty), dtype=np.int64)
    opens_s = np.concatenate((opens_s, whole_days))
    closes_s = np.concatenate((closes_s, whole_days + DAY_S))
    return merge_local(row_key, opens_s, closing_s(opens_s, closes_s))


def _date_key(rank: Int64s, day: Int64s | int) -> Int64s:
    return (rank << _DATE_BITS) + (day - EARLIEST_DAY)
