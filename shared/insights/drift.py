"""Drift: stores, and groups of stores, whose down time changed for worse or better within eight weeks, and since when.

A CUSUM: the down hours of each day above what the mean of all days predicts, added up. If nothing changes, the sum is a
Brownian bridge (Page, "Continuous inspection schemes", 1954; the distribution of its maximum is Kolmogorov's). It is divided by
the size of the days' own deviations, so one bad day is not a drift. Sums of hours are used, because the logit of a day moves with
its number of polls; the effect is given in logits.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.binomial import believed
from shared.insights.chunks import Chunks
from shared.insights.history import Floats
from shared.insights.risk import FIRST_SCORED, FLEET_RATE, REFERENCES, SCORED_DAYS, STORE_MEAN
from shared.insights.scores import ScoreSums
from shared.insights.terms import DAYS, WEEKS

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
# So that memory does not grow with the fleet.
_AT_ONCE: Final = 4_000


@dataclass(frozen=True)
class DaySums:
    """Known hours, and the hours of them that were down, by store or group and day, in shape (subjects, days)."""

    down: Floats | Doubles
    known: Floats | Doubles

    def before(self, days: int) -> "DaySums":
        """Return the first days."""
        return DaySums(self.down[:, :days], self.known[:, :days])

    def by_group(self, groups: Ints, number: int) -> "DaySums":
        """Return the sums of groups. `groups`: the group of each store, -1 to leave it out."""
        has = np.flatnonzero(groups >= 0)
        down, known = np.zeros((2, number, self.down.shape[1]))
        np.add.at(down, groups[has], self.down[has])
        np.add.at(known, groups[has], self.known[has])
        return DaySums(down, known)


@dataclass(frozen=True)
class DriftChanges:
    """The most likely change of each subject: the day from which on, the rates before and after, and the p-value of a change."""

    day: Ints
    before: Doubles
    after: Doubles
    p_value: Doubles
    tested: NDArray[np.bool_]

    def found(self, others: Sequence[Doubles] = ()) -> Ints:
        """Return which subjects changed, the most certain first.

        `others`: the p-values of other subjects that were tested beside these, so that all share one limit.
        """
        tested = np.flatnonzero(self.tested)
        p_values = np.concatenate((self.p_value[tested], *others))
        passed = tested[believed(p_values, len(p_values), _FALSE_SHARE)[: len(tested)]]
        order: Ints = passed[np.argsort(self.p_value[passed], kind="stable")]
        return order


def sum_days(chunks: Chunks) -> DaySums:
    """Return the sums of all stores of a fleet by day."""
    down, known = ([np.zeros((0, DAYS), dtype=np.float32)] for _ in range(2))
    for chunk in chunks():
        down.append(chunk.history.down.reshape(-1, DAYS, 24).sum(axis=2, dtype=np.float32))
        known.append(chunk.history.known.reshape(-1, DAYS, 24).sum(axis=2, dtype=np.float32))
    return DaySums(np.concatenate(down), np.concatenate(known))


def find_changes(sums: DaySums) -> DriftChanges:
    """Return the most likely change of each subject."""
    starts = range(0, max(len(sums.down), 1), _AT_ONCE)
    parts = [_find(sums.down[n : n + _AT_ONCE], sums.known[n : n + _AT_ONCE]) for n in starts]
    return DriftChanges(*(np.concatenate(column) for column in zip(*map(astuple, parts), strict=True)))


def _find(few_down: Floats | Doubles, few_known: Floats | Doubles) -> DriftChanges:
    down, known = few_down.astype(np.float64), few_known.astype(np.float64)
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
    return DriftChanges(
        day=last + 1,
        before=early_down / np.maximum(early, 1e-9),
        after=(total_down - early_down) / np.maximum(total - early, 1e-9),
        p_value=p_value,
        tested=tested,
    )


def _bridge_tails(maximum: Doubles) -> Doubles:
    """Return the probability that the maximum of a Brownian bridge is at least this large in either direction."""
    tails = np.zeros(len(maximum))
    for term in range(1, _TERMS + 1):
        tails += (-1) ** (term - 1) * 2 * np.exp(-2 * (term * maximum) ** 2)
    # The series does not converge near 0, where the probability is 1.
    return np.where(maximum < 0.4, 1.0, np.clip(tails, 0, 1))  # noqa: PLR2004


def score_drift(sums: DaySums) -> ScoreSums:
    """Score the rates after the changes that would have been found before each of the last four weeks, by store and day."""
    scores = ScoreSums(SCORED_DAYS, REFERENCES)
    for week in range(FIRST_SCORED, WEEKS):
        past = sums.before(7 * week)
        changes = find_changes(past)
        found = changes.found()
        since = np.arange(7 * week) >= changes.day[found][:, None]
        down, known = (values[found].astype(np.float64) for values in (past.down, past.known))
        mean = down.sum(axis=1) / np.maximum(known.sum(axis=1), 1e-9)
        late_down, late = (down * since).sum(axis=1), (known * since).sum(axis=1)
        rate = (late_down + _PRIOR_HOURS * mean) / (late + _PRIOR_HOURS)
        fleet = past.down.sum(dtype=np.float64) / max(past.known.sum(dtype=np.float64), 1e-9)
        days = slice(7 * week, 7 * week + 7)
        later_down, later = (values[found][:, days].astype(np.float64) for values in (sums.down, sums.known))
        subject, day = np.nonzero(later)
        actual = later_down[subject, day] / later[subject, day]
        others = {FLEET_RATE: np.full(len(subject), fleet), STORE_MEAN: mean[subject]}
        scores.add(day + 7 * (week - FIRST_SCORED), actual, rate[subject], **others)
    return scores


def effect_in_logits(before: float, after: float, hours: float) -> float:
    """Return the change of the log odds of being down; half an hour is added on both sides, so that none is infinite."""
    margin = 0.5 / max(hours, 1.0)
    odds = [(rate + margin) / (1 - rate + margin) for rate in (before, after)]
    return float(np.log(odds[1] / odds[0]))
