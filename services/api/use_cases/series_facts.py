"""Add up the facts that hold, by group of stores and date, or by store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psycopg

from services.api.use_cases.read_facts import read_facts
from services.api.use_cases.series_dates import DateRange
from services.api.use_cases.series_sums import DailySums
from shared.facts.holding import find_holding_facts
from shared.uptime.intervals import Int64s
from shared.uptime.policy import Policy

SeriesOrder = Literal["lowest", "highest"]
# Both: the lowest and then the highest of the others, from one pass over the facts.
StoreRanking = tuple[Literal[SeriesOrder, "both"], int]


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

    def by_key(self, held: Int64s) -> Int64s:
        """Return the group of each store at the place of its key, counted from 1; 0 for stores without facts that hold.

        The last place has a 0 that stands for all larger keys.
        """
        places = np.zeros(int(self.keys.max(initial=0)) + 2, dtype=np.int64)
        is_held = np.isin(self.keys, held)
        places[self.keys[is_held]] = self.numbers[is_held]
        return places

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
    group_of = groups.by_key(holding.store_keys)
    for facts in read_facts(conn, policy, holding, dates):
        sums.add(np.take(group_of, facts.store_keys, mode="clip"), facts.days, facts.numbers)
    return sums


def rank_stores(
    conn: psycopg.Connection,
    policy: Policy,
    groups: StoreGroups,
    dates: DateRange,
    ranking: StoreRanking,
) -> StoreGroups:
    """Return the stores with the lowest or highest availability, or both, of groups that hold one store each.

    Stores without up or down time have no rank. Equal ones are in the order of the groups.
    """
    order, most = ranking
    holding = find_holding_facts(conn, policy, groups.keys, dates.first, dates.last)
    group_of = groups.by_key(holding.store_keys)
    up_us, down_us = (np.zeros(len(groups.names) + 1, dtype=np.int64) for _ in range(2))
    for facts in read_facts(conn, policy, holding, dates):
        group = np.take(group_of, facts.store_keys, mode="clip")
        np.add.at(up_us, group, facts.up_us)
        np.add.at(down_us, group, facts.down_us)
    # Place 0 has the stores that were not chosen.
    up_us, known_us = up_us[1:], (up_us + down_us)[1:]
    share = up_us / np.maximum(known_us, 1)
    chosen = dict[int, None]()
    for name, signed in (("lowest", share), ("highest", -share)):
        if order in (name, "both"):
            ranked = np.lexsort((np.arange(len(share)), signed))
            chosen |= dict.fromkeys(ranked[known_us[ranked] > 0][:most].tolist())
    return groups.keep(list(chosen))
