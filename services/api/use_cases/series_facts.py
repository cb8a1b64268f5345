"""Read sums of the facts that hold, by group of stores and date, or by store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import psycopg

from services.api.use_cases.series_dates import DateRange
from services.api.use_cases.series_sums import DailySums
from shared.db.queries import queries
from shared.facts.holding import FEW_STORES, HoldingFacts, find_holding_facts
from shared.uptime.intervals import Int64s
from shared.uptime.policy import Policy

SeriesOrder = Literal["lowest", "highest"]
_SQL: Final = queries("series")


@dataclass(frozen=True)
class StoreGroups:
    """The stores of each group. `keys` is sorted; `numbers` has the group of each, counted from 1."""

    names: Sequence[str | None]
    keys: Int64s
    numbers: Int64s

    @property
    def sizes(self) -> Int64s:
        """How many stores each group has."""
        return np.bincount(self.numbers, minlength=len(self.names) + 1)[1:]

    def by_key(self, held: Int64s) -> list[int]:
        """Return the group of each store at the place of its key, counted from 1; 0 for stores without facts that hold."""
        places = np.zeros(int(self.keys.max(initial=0)), dtype=np.int64)
        is_held = np.isin(self.keys, held)
        places[self.keys[is_held] - 1] = self.numbers[is_held]
        return list(places.tolist())

    def keep(self, groups: Sequence[int]) -> "StoreGroups":
        """Return some of the groups, given by their places, in this order."""
        number = np.zeros(len(self.names) + 1, dtype=np.int64)
        number[np.array(groups, dtype=np.int64) + 1] = np.arange(1, len(groups) + 1)
        numbers = number[self.numbers]
        kept = numbers > 0
        return StoreGroups([self.names[place] for place in groups], self.keys[kept], numbers[kept])


def read_sums(conn: psycopg.Connection, policy: Policy, groups: StoreGroups, dates: DateRange) -> DailySums:
    """Return the sums of each group on each date, in the caller's snapshot."""
    holding = find_holding_facts(conn, policy, groups.keys, dates.first, dates.last)
    sums = DailySums.empty(groups.names, groups.sizes, dates)
    asked = {**_ask(policy, holding, dates), "groups": groups.by_key(holding.store_keys)}
    for rows, sign in _fetch_both(conn, ("sums", "sums_of_cells"), asked, holding):
        # Group 0 has the stores that were not chosen.
        sums.add(np.array([row for row in rows if row[0]], dtype=np.int64).reshape(-1, 9), sign)
    return sums


def rank_stores(
    conn: psycopg.Connection,
    policy: Policy,
    groups: StoreGroups,
    dates: DateRange,
    ranking: tuple[SeriesOrder, int],
) -> StoreGroups:
    """Return the stores with the lowest or highest availability, of groups that hold one store each.

    Stores without up or down time have no rank. Equal ones are in the order of the groups.
    """
    order, most = ranking
    holding = find_holding_facts(conn, policy, groups.keys, dates.first, dates.last)
    up_us, down_us = (np.zeros(len(groups.names), dtype=np.int64) for _ in range(2))
    asked = _ask(policy, holding, dates)
    for rows, sign in _fetch_both(conn, ("sums_by_store", "sums_of_cells_by_store"), asked, holding):
        found = np.array(rows, dtype=np.int64).reshape(-1, 3)
        found = found[np.isin(found[:, 0], holding.store_keys)]
        group = groups.numbers[np.searchsorted(groups.keys, found[:, 0])] - 1
        up_us[group] += sign * found[:, 1]
        down_us[group] += sign * found[:, 2]
    known_us = up_us + down_us
    share = up_us / np.maximum(known_us, 1) * (1 if order == "lowest" else -1)
    ranked = np.lexsort((np.arange(len(share)), share))
    return groups.keep(ranked[known_us[ranked] > 0][:most].tolist())


def _ask(policy: Policy, holding: HoldingFacts, dates: DateRange) -> dict[str, Any]:
    few = len(holding.store_keys) <= FEW_STORES
    return {
        "policy": policy.name,
        "store_keys": holding.store_keys.tolist() if few else None,
        "touched_dates": list(holding.touched_dates),
        "first": dates.first,
        "last": dates.last,
    }


def _fetch_both(
    conn: psycopg.Connection, names: tuple[str, str], asked: Mapping[str, Any], holding: HoldingFacts
) -> list[tuple[list[tuple[Any, ...]], int]]:
    """Return the sums of all facts with the sign 1, and those of the cells that do not hold with -1."""
    if not len(holding.store_keys):
        return []
    conn.execute(_SQL["read_in_parallel"])
    # Planned each time: a generic plan would visit every month.
    found = [(conn.execute(_SQL[names[0]], asked, prepare=False, binary=True).fetchall(), 1)]
    if len(holding.cell_keys):
        cells = {"cell_keys": holding.cell_keys.tolist(), "cell_dates": list(holding.cell_dates)}
        rows = conn.execute(_SQL[names[1]], {**asked, **cells}, prepare=False, binary=True).fetchall()
        found.append((rows, -1))
    return found
