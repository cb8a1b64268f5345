"""How often stores are down: rates by fleet, label, store and hour of the week, each shrunk towards the one before.

Every level has a Beta prior whose mean is the rate of the level above it. The strength of a prior is a number of hours, and
the back-test chooses it by its error (Efron and Morris, "Stein's estimation rule and its competitors", 1973).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.chunks import FleetChunk, GroupsByLabel, Places, group_count
from shared.insights.terms import WEEKS
from shared.insights.weeks import Floats, WeekSums

Doubles = NDArray[np.float64]
# Of labels: a group's rate counts as much as the fleet's once it has this many known hours.
_GROUP_STRENGTH: Final = 500.0


@dataclass(frozen=True)
class Strength:
    """How many known hours the rate above counts: for a store's rate, and for that of an hour of its week."""

    store: float
    slot: float


# Weaker and stronger priors were never the best ones on samples and on simulated fleets.
STRENGTHS: Final = tuple(
    Strength(store, slot) for store in (10.0, 40.0, 160.0) for slot in (2.0, 8.0, 32.0, 128.0)
)


@dataclass(frozen=True)
class Levels:
    """What is known of some stores before a week: the fleet's rate, and by store the rates of its group and its own mean."""

    fleet: float
    group: Doubles
    down: Doubles
    known: Doubles

    def store_rates(self, strength: Strength) -> Doubles:
        """Return the rate of each store."""
        rates: Doubles = (self.down + strength.store * self.group) / (self.known + strength.store)
        return rates

    def means(self) -> Doubles:
        """Return the plain mean of each store; the fleet's rate if none of its hours is known."""
        means: Doubles = np.where(self.known > 0, self.down / np.maximum(self.known, 1e-9), self.fleet)
        return means


@dataclass(frozen=True)
class FleetLevels:
    """What is known of a fleet before a week (0 to 8): its rate, and those of groups. `of_store`: the group of each store."""

    week: int
    fleet: float
    by_group: Doubles
    of_store: Places | None

    def of(self, chunk: FleetChunk) -> Levels:
        """Return the levels of the stores of a chunk."""
        down, known = chunk.history.week_sums.before(self.week)
        rate = np.full(len(down), self.fleet)
        if self.of_store is not None:
            group = self.of_store[chunk.first : chunk.last]
            rate[group >= 0] = self.by_group[group[group >= 0]]
        return Levels(self.fleet, rate, down, known)


class RateSums:
    """The hours of a fleet, and of the groups of each label, by week."""

    def __init__(self, groups: GroupsByLabel) -> None:
        self._groups = groups
        self.fleet = WeekSums.zeros(1)
        self._by_label = {name: WeekSums.zeros(group_count(of)) for name, of in groups.items()}

    def add(self, chunk: FleetChunk) -> None:
        """Count a chunk."""
        sums = chunk.history.week_sums
        self.fleet.down[0] += sums.down.sum(axis=0)
        self.fleet.known[0] += sums.known.sum(axis=0)
        for name, of_store in self._groups.items():
            group = of_store[chunk.first : chunk.last]
            has = np.flatnonzero(group >= 0)
            np.add.at(self._by_label[name].down, group[has], sums.down[has])
            np.add.at(self._by_label[name].known, group[has], sums.known[has])

    def plain_rates(self, first_week: int) -> dict[int, float]:
        """Return the fleet's rate before each of the weeks from one on; all weeks count the same."""
        down, known = self.fleet.down[0], self.fleet.known[0]
        weeks = range(first_week, WEEKS + 1)
        return {week: float((down[:week].sum() + 1) / (known[:week].sum() + 2)) for week in weeks}

    def levels_before(self, week: int, label: str | None) -> FleetLevels:
        """Return the levels before a week (0 to 8), with the groups of a label. None: no groups."""
        down, known = self.fleet.before(week)
        fleet = float((down[0] + 1) / (known[0] + 2))
        if label is None:
            return FleetLevels(week, fleet, np.zeros(0), None)
        of_down, of_known = self._by_label[label].before(week)
        by_group = (of_down + _GROUP_STRENGTH * fleet) / (of_known + _GROUP_STRENGTH)
        return FleetLevels(week, fleet, by_group, self._groups[label])

    def choose_label(self, week: int) -> str | None:
        """Return the label whose groups predicted the rates of stores in a week best. None: the fleet's rate is better."""
        errors = {name: self._error(week, name) for name in self._groups}
        best = min(errors, key=lambda name: (errors[name], name), default=None)
        return best if best is not None and errors[best] < self._error(week, None) else None

    def _error(self, week: int, label: str | None) -> float:
        """Return the squared error of the rates of stores, weighted by known hours, without the part that all labels share."""
        levels = self.levels_before(week, label)
        sums = WeekSums.zeros(0) if label is None else self._by_label[label]
        down, known = sums.down[:, week], sums.known[:, week]
        rest_down, rest = self.fleet.down[0, week] - down.sum(), self.fleet.known[0, week] - known.sum()
        of_groups = (known * levels.by_group**2 - 2 * down * levels.by_group).sum()
        return float(of_groups + rest * levels.fleet**2 - 2 * rest_down * levels.fleet)


def slot_rates(down: Floats, known: Floats, stores: Doubles, strength: Strength) -> Floats:
    """Return the rate of each hour of the week from faded sums of the same shape. `stores`: the rate of the store of each."""
    slot = np.float32(strength.slot)
    rates: Floats = (down + slot * stores.astype(np.float32)) / (known + slot)
    return rates
