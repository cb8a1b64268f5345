"""What the view of now shows: counts, the exceptions, and the fleet in groups. Must not know HTML or the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.api.use_cases.live import LiveCounts, LiveGroup, LiveStore
from services.api.web.next_risk import NO_RISK, NextRisk

# The order of the page: what needs somebody comes first.
ORDER: Final = ("down", "silent", "unknown", "up", "closed", "excluded", "ended")
MOST_SQUARES: Final = 4_000  # more would be neither seen nor sent at once
MOST_BARS: Final = 100
_LATE_AFTER: Final = 3
_LATE_AT_LEAST_S: Final = 180.0
_HISTORY_AFTER: Final = timedelta(days=2)


@dataclass(frozen=True)
class Freshness:
    """How old the states are. Without `refreshed_at` there are none, and no age: live state is off, or has not begun."""

    refreshed_at: datetime | None
    lag_s: float | None
    every_s: float

    @property
    def is_old(self) -> bool:
        """Whether several refreshes are missing."""
        return self.lag_s is not None and self.lag_s > max(_LATE_AFTER * self.every_s, _LATE_AT_LEAST_S)

    @property
    def age(self) -> timedelta | None:
        return None if self.lag_s is None else timedelta(seconds=self.lag_s)


@dataclass(frozen=True)
class StateList:
    """Stores in one state, or in any if it is empty: those shown, and how many there are."""

    state: str
    stores: Sequence[LiveStore]
    total: int


@dataclass(frozen=True)
class FleetGroup:
    """The stores with one value of a label (None: without it). `squares` is empty where only counts are shown."""

    value: str | None
    counts: Mapping[str, int]
    squares: Sequence[tuple[str, str]] = ()

    @classmethod
    def of_stores(cls, group: LiveGroup) -> "FleetGroup":
        """Return the group with a square for each store."""
        counts = {state: group.states.count(state) for state in ORDER}
        return cls(group.value, counts, list(zip(group.store_ids, group.states, strict=True)))

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def usual(self) -> str:
        """The state of most stores."""
        return max(ORDER, key=lambda state: self.counts.get(state, 0))

    @property
    def parts(self) -> Sequence[tuple[str, float, float]]:
        """Each state that occurs, with where its part of a bar begins and how wide it is."""
        found, x, total = [], 0.0, self.total
        for state in ORDER:
            if stores := self.counts.get(state, 0):
                found.append((state, x, stores / total))
                x += stores / total
        return found


@dataclass(frozen=True)
class NowView:
    """The whole view. `next_cursor` leads on in a list of one state."""

    counts: LiveCounts
    freshness: Freshness
    lists: Sequence[StateList]
    groups: Sequence[FleetGroup]
    by: str | None
    names: Sequence[str]
    next_cursor: str | None
    open_incidents: int = 0
    latest: datetime | None = None
    risk: NextRisk = NO_RISK

    @property
    def total(self) -> int:
        return sum(self.counts.every.values())

    @property
    def is_history(self) -> bool:
        """Whether the newest poll of any store is so old that nothing of now can be known."""
        refreshed_at = self.freshness.refreshed_at
        return bool(self.latest and refreshed_at and refreshed_at - self.latest > _HISTORY_AFTER)

    @property
    def first(self) -> StateList | None:
        """The list that takes the whole width: stores that are down, or those of the chosen state."""
        return next((each for each in self.lists if each.state == "down" or len(self.lists) == 1), None)

    @property
    def others(self) -> Sequence[StateList]:
        """The lists that stand beside each other."""
        return [each for each in self.lists if each is not self.first]

    @property
    def has_squares(self) -> bool:
        return self.total <= MOST_SQUARES

    @property
    def size(self) -> str:
        """How large a square may be."""
        return "few" if self.total <= 300 else "some" if self.total <= 1_500 else "many"  # noqa: PLR2004


def groups_of_counts(counts: LiveCounts) -> Sequence[FleetGroup]:
    """Return the values of a label with their counts, the largest first, and the stores without the label."""
    named = [FleetGroup(value, states) for value, states in counts.values.items()]
    rest = {
        state: number - sum(group.counts.get(state, 0) for group in named)
        for state, number in counts.every.items()
    }
    found = [*named[:MOST_BARS], FleetGroup(None, rest)] if any(rest.values()) else named[:MOST_BARS]
    return found if named else [FleetGroup(None, counts.every)]
