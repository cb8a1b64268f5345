"""Drift: stores, and groups of stores, whose down time changed for worse or better within eight weeks, and since when.

A CUSUM: the down hours of each day above what the mean of all days predicts, added up. If nothing changes, the sum is a
Brownian bridge (Page, "Continuous inspection schemes", 1954; the distribution of its maximum is Kolmogorov's). It is divided by
the size of the days' own deviations, so one bad day is not a drift. Sums of hours are used, because the logit of a day moves with
its number of polls; the effect is given in logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.binomial import believed
from shared.insights.chunks import FleetChunk, Places, group_count
from shared.insights.risk import FIRST_SCORED, FLEET_RATE, REFERENCES, SCORED_DAYS, STORE_MEAN
from shared.insights.scores import ScoreSums
from shared.insights.terms import DAYS, WEEKS
from shared.insights.weeks import Flags, Floats, WeekSums

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
# Chosen: of all findings, at most one in twenty is expected to be false.
_FALSE_SHARE: Final = 0.05
# A change needs a week of days with polls on both sides.
_LEAST_DAYS: Final = 7
_LEAST_KNOWN_HOURS: Final = 40.0
# Hours of the rate before that count beside those after the change, when it predicts.
_PRIOR_HOURS: Final = 20.0
_TERMS: Final = 5
# A change of one store is not one of its group.
_LEAST_STORES: Final = 3
# So that memory does not grow with the fleet.
_AT_ONCE: Final = 500


@dataclass(frozen=True)
class DaySums:
    """Known hours, and the hours of them that were down, by store or group and day, in shape (subjects, days)."""

    down: Doubles
    known: Doubles

    @classmethod
    def of(cls, chunk: FleetChunk) -> "DaySums":
        """Return the sums of the stores of a chunk."""
        return cls(*(_sum_days(values) for values in (chunk.history.down, chunk.history.known)))

    def before(self, days: int) -> "DaySums":
        """Return the first days."""
        return DaySums(self.down[:, :days], self.known[:, :days])

    def some(self, places: Places) -> "DaySums":
        """Return those of some subjects."""
        return DaySums(self.down[places], self.known[places])


def _sum_days(values: Floats | Flags) -> Doubles:
    """Return the sums of days, in the order of their hours and with the stores of a day side by side: so they always round alike."""
    hours = values.reshape(-1, DAYS, 24)
    sums = np.zeros((DAYS, len(hours)), dtype=np.float32).T
    for hour in range(24):
        sums += hours[:, :, hour]
    return sums.astype(np.float64)


_COLUMNS: Final = ("subject", "day", "before", "after", "hours", "p_value")


@dataclass(frozen=True)
class DriftChanges:
    """The most likely changes of those subjects whose p-value is small enough to be believed, one element each.

    `subject`: its place. `day`: from which on. `before`, `after`: the rates. `hours`: known ones. `tested`: how many subjects.
    """

    subject: Places
    day: NDArray[np.int16]
    before: Doubles
    after: Doubles
    hours: Doubles
    p_value: Doubles
    tested: int

    def found(self, others: Sequence["DriftChanges"] = ()) -> "DriftChanges":
        """Return the changes to believe, the most certain first.

        `others`: changes of other subjects that were tested beside these, so that all share one limit.
        """
        p_values = np.concatenate([self.p_value, *(one.p_value for one in others)])
        tests = self.tested + sum(one.tested for one in others)
        passed = np.flatnonzero(believed(p_values, tests, _FALSE_SHARE)[: len(self.p_value)])
        return self.some(passed[np.argsort(self.p_value[passed], kind="stable")])

    def some(self, places: Ints) -> "DriftChanges":
        """Return some of the changes."""
        columns = {name: getattr(self, name)[places] for name in _COLUMNS}
        return DriftChanges(**columns, tested=self.tested)


def join_changes(parts: Sequence[DriftChanges]) -> DriftChanges:
    """Return the changes of several ranges of subjects as one."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    return DriftChanges(**columns, tested=sum(part.tested for part in parts))


def find_changes(sums: DaySums, first: int = 0) -> DriftChanges:
    """Return the most likely changes of subjects, whose places begin with `first`."""
    starts = range(0, max(len(sums.down), 1), _AT_ONCE)
    parts = [_find(sums.down[n : n + _AT_ONCE], sums.known[n : n + _AT_ONCE], first + n) for n in starts]
    return join_changes(parts)


def _find(down: Doubles, known: Doubles, first: int) -> DriftChanges:
    total_down, total = down.sum(axis=1), known.sum(axis=1)
    excess = down - known * (total_down / np.maximum(total, 1))[:, None]
    size = np.sqrt(np.square(excess).sum(axis=1))
    polled = np.cumsum(known > 0, axis=1)
    eligible = (polled >= _LEAST_DAYS) & (polled[:, -1:] - polled >= _LEAST_DAYS)
    path = np.where(eligible, np.abs(np.cumsum(excess, axis=1)), -1.0)
    last = path.argmax(axis=1)
    tested = (path.max(axis=1, initial=-1.0) >= 0) & (size > 0) & (total >= _LEAST_KNOWN_HOURS)
    each = np.arange(len(last))
    early_down, early = np.cumsum(down, axis=1)[each, last], np.cumsum(known, axis=1)[each, last]
    p_value = np.where(tested, _bridge_tails(path[each, last] / np.maximum(size, 1e-9)), 1.0)
    # A larger p-value is never believed, so it only counts as a test.
    kept = np.flatnonzero(tested & (p_value <= _FALSE_SHARE))
    return DriftChanges(
        subject=(first + kept).astype(np.int32),
        day=(last + 1)[kept].astype(np.int16),
        before=(early_down / np.maximum(early, 1e-9))[kept],
        after=((total_down - early_down) / np.maximum(total - early, 1e-9))[kept],
        hours=total[kept],
        p_value=p_value[kept],
        tested=int(tested.sum()),
    )


def _bridge_tails(maximum: Doubles) -> Doubles:
    """Return the probability that the maximum of a Brownian bridge is at least this large in either direction."""
    tails = np.zeros(len(maximum))
    for term in range(1, _TERMS + 1):
        tails += (-1) ** (term - 1) * 2 * np.exp(-2 * (term * maximum) ** 2)
    # The series does not converge near 0, where the probability is 1.
    return np.where(maximum < 0.4, 1.0, np.clip(tails, 0, 1))  # noqa: PLR2004


_NO_CHANGES: Final = find_changes(DaySums(*np.zeros((2, 0, DAYS))))


class DriftScan:
    """Finds the changes of stores, with what was known before each scored week (4 to 7) and before the week to come (8)."""

    def __init__(self) -> None:
        self._parts: dict[int, list[DriftChanges]] = {week: [] for week in range(FIRST_SCORED, WEEKS + 1)}

    def add(self, chunk: FleetChunk) -> None:
        """Test the stores of a chunk."""
        sums = DaySums.of(chunk)
        for week, parts in self._parts.items():
            parts.append(find_changes(sums.before(7 * week), chunk.first))

    def before(self, week: int) -> DriftChanges:
        """Return the changes of stores before a week."""
        return join_changes([_NO_CHANGES, *self._parts[week]])


class DriftScores:
    """Scores the rates after the changes that were found before each of the last four weeks, by store and day.

    `fleet`: the hours of the fleet by week.
    """

    def __init__(self, scan: DriftScan, fleet: WeekSums) -> None:
        self.sums = ScoreSums(SCORED_DAYS, REFERENCES)
        self._found = {week: scan.before(week).found() for week in range(FIRST_SCORED, WEEKS)}
        down, known = np.cumsum(fleet.down[0]), np.cumsum(fleet.known[0])
        self._fleet = {week: down[week - 1] / max(known[week - 1], 1e-9) for week in self._found}

    def add(self, chunk: FleetChunk) -> None:
        """Score the changes of the stores of a chunk."""
        sums = DaySums.of(chunk)
        for week, found in self._found.items():
            inside = chunk.places_of(found.subject)
            if len(inside):
                self._score(week, sums.some(found.subject[inside] - chunk.first), found.day[inside])

    def _score(self, week: int, sums: DaySums, changed: NDArray[np.int16]) -> None:
        past = sums.before(7 * week)
        since = np.arange(7 * week) >= changed[:, None]
        mean = past.down.sum(axis=1) / np.maximum(past.known.sum(axis=1), 1e-9)
        late_down, late = (past.down * since).sum(axis=1), (past.known * since).sum(axis=1)
        rate = (late_down + _PRIOR_HOURS * mean) / (late + _PRIOR_HOURS)
        days = slice(7 * week, 7 * week + 7)
        later_down, later = sums.down[:, days], sums.known[:, days]
        subject, day = np.nonzero(later)
        actual = later_down[subject, day] / later[subject, day]
        others = {FLEET_RATE: np.full(len(subject), self._fleet[week]), STORE_MEAN: mean[subject]}
        self.sums.add(day + 7 * (week - FIRST_SCORED), actual, rate[subject], **others)


class GroupDays:
    """The hours of the groups of a label by day, without the stores that changed by themselves.

    Groups of too few other stores are left out.
    """

    def __init__(self, of_store: Places, by_themselves: Places) -> None:
        others = of_store.copy()
        others[by_themselves] = -1
        stores = np.bincount(others[others >= 0], minlength=group_count(of_store))
        others[(others >= 0) & (stores[others] < _LEAST_STORES)] = -1
        self._of_store = others
        self.sums = DaySums(*np.zeros((2, len(stores), DAYS)))

    def add(self, chunk: FleetChunk) -> None:
        """Count a chunk."""
        group = self._of_store[chunk.first : chunk.last]
        has = np.flatnonzero(group >= 0)
        sums = DaySums.of(chunk)
        np.add.at(self.sums.down, group[has], sums.down[has])
        np.add.at(self.sums.known, group[has], sums.known[has])


def effect_in_logits(before: float, after: float, hours: float) -> float:
    """Return the change of the log odds of being down; half an hour is added on both sides, so that none is infinite."""
    margin = 0.5 / max(hours, 1.0)
    odds = [(rate + margin) / (1 - rate + margin) for rate in (before, after)]
    return float(np.log(odds[1] / odds[0]))
