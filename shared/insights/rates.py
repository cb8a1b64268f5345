"""How often stores are down: rates by fleet, label, store and hour of the week, each shrunk towards the one before.

Every level has a Beta prior whose mean is the rate of the level above it. The strength of a prior is a number of hours, and
the back-test chooses it by its error (Efron and Morris, "Stein's estimation rule and its competitors", 1973).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.history import Flags, Floats
from shared.insights.terms import WEEKS

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
# Chosen: a week counts half as much as one that is four weeks younger.
FADING: Final = 2 ** (-1 / 4)
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
class WeekSums:
    """Known hours, and the hours of them that were down, by store and week, in shape (stores, 8)."""

    down: Doubles
    known: Doubles

    def before(self, week: int) -> tuple[Doubles, Doubles]:
        """Return the sums of each store over the weeks before one (0 to 8); older weeks count less."""
        weights = FADING ** np.arange(week - 1, -1, -1)
        return self.down[:, :week] @ weights, self.known[:, :week] @ weights


def fade(values: Floats | Flags, week: int) -> Floats:
    """Return the faded sum over the weeks before one, in shape (stores, 168), of an array (stores, 8, 168)."""
    total = np.zeros((len(values), values.shape[2]), dtype=np.float32)
    for number in range(week):
        total *= np.float32(FADING)
        total += values[:, number]
    return total


@dataclass(frozen=True)
class Levels:
    """What is known of stores before a week: the fleet's rate, and by store the rates of its group and its own mean."""

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

    def some(self, first: int, last: int) -> "Levels":
        """Return those of a range of stores."""
        return Levels(self.fleet, self.group[first:last], self.down[first:last], self.known[first:last])


def levels_before(sums: WeekSums, week: int, groups: Ints | None) -> Levels:
    """Return the levels before a week (0 to 8). `groups`: the group of each store, -1 without one; None: no groups."""
    down, known = sums.before(week)
    fleet = float((down.sum() + 1) / (known.sum() + 2))
    rate = np.full(len(down), fleet)
    if groups is not None and len(groups):
        has = np.flatnonzero(groups >= 0)
        of_group_down = np.bincount(groups[has], down[has], minlength=1)
        of_group_known = np.bincount(groups[has], known[has], minlength=1)
        by_group = (of_group_down + _GROUP_STRENGTH * fleet) / (of_group_known + _GROUP_STRENGTH)
        rate[has] = by_group[groups[has]]
    return Levels(fleet, rate, down, known)


def slot_rates(down: Floats, known: Floats, stores: Doubles, strength: Strength) -> Floats:
    """Return the rate of each hour of the week, in shape (stores, 168), from faded sums of the same shape."""
    slot = np.float32(strength.slot)
    rates: Floats = (down + slot * stores.astype(np.float32)[:, None]) / (known + slot)
    return rates


def choose_groups(sums: WeekSums, by_name: dict[str, Ints], week: int) -> str | None:
    """Return the label whose groups predicted the rates of stores in a week best. None: the fleet's rate is better."""
    if not 0 < week < WEEKS:
        return None
    actual, known = sums.down[:, week], sums.known[:, week]

    def error(groups: Ints | None) -> float:
        levels = levels_before(sums, week, groups)
        return float((known * (actual / np.maximum(known, 1e-9) - levels.group) ** 2).sum())

    errors = {name: error(groups) for name, groups in by_name.items()}
    best = min(errors, key=lambda name: (errors[name], name), default=None)
    return best if best is not None and errors[best] < error(None) else None
