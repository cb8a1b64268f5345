"""Common causes: outages of stores with one label that begin at the same time more often than chance explains.

For each value of a label and each hour, the stores that were up at their last poll and those of them that are down now are
counted. A binomial scan compares them with the rate of the rest of the fleet in the same hours, with the usual rate of the group,
or with that of the fleet, whichever is highest. Of nested labels, the one that explains an outage best is kept, and the others must explain what is left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.insights.binomial import believed, upper_tails
from shared.insights.chunks import Chunks, FleetChunk
from shared.insights.history import HOURS, WEEK_HOURS
from shared.insights.risk import FIRST_SCORED, FLEET_RATE, REFERENCES, SCORED_DAYS, STORE_MEAN, RiskModel
from shared.insights.scores import ScoreSums

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)
# Hours in which outages of one cause begin: within one poll gap of an hourly poller.
WIDTHS: Final = (1, 2)
_FIRST: Final = FIRST_SCORED * WEEK_HOURS
# Hours of UTC: a local hour is at most fourteen hours from that of UTC.
_MARGIN: Final = 16
_SCANNED: Final = HOURS - _FIRST + 2 * _MARGIN
_LEAST_STORES: Final = 3
# A poll that is older says nothing about the hour before.
_LAST_POLL_HOURS: Final = 12
# Stores that the usual rate counts beside those of an hour. More would blame labels for outages of the whole fleet.
_PRIOR_STORES: Final = 5.0
_FALSE_SHARE: Final = 0.05
# A label with more values is left out: its counts would take more memory than the hours of a chunk.
_MOST_VALUES: Final = 2_000
# Values of a label that are tested at once, so that memory does not grow with their number.
_AT_ONCE: Final = 256


@dataclass(frozen=True)
class Begins:
    """Outages that began in the scanned hours, one element each: the store, and the hour of UTC from the first scanned one."""

    store: Ints
    hour: Ints


@dataclass(frozen=True)
class CommonCause:
    """`down` of the `stores` with a label that were up went down within `width` hours from `hour` on.

    `hour` counts the hours of UTC from the beginning of the history. `expected`: how many chance explains.
    """

    name: str
    value: int
    hour: int
    width: int
    stores: int
    down: int
    expected: float
    p_value: float


class CauseScan:
    """The hours of the last four weeks by label value, counted in one pass over the chunks."""

    def __init__(self, groups: Mapping[str, Ints]) -> None:
        self.groups = {name: of for name, of in groups.items() if of.max(initial=-1) < _MOST_VALUES}
        sizes = {name: int(of.max(initial=-1)) + 1 for name, of in self.groups.items()}
        self.up = {name: np.zeros((size, _SCANNED), dtype=np.int32) for name, size in sizes.items()}
        self.began = {name: np.zeros((size, _SCANNED), dtype=np.int32) for name, size in sizes.items()}
        self.fleet_up = np.zeros(_SCANNED)
        self.fleet_began = np.zeros(_SCANNED)
        self._begins: list[Begins] = []

    def add(self, chunk: FleetChunk) -> None:
        """Count a chunk."""
        was_up, began = _transitions(chunk)
        store, hour = np.nonzero(was_up)
        place = hour - chunk.ahead_hours[store] + _MARGIN
        began_too = began[store, hour]
        self.fleet_up += np.bincount(place, minlength=_SCANNED)
        self.fleet_began += np.bincount(place, began_too, minlength=_SCANNED)
        for name, of in self.groups.items():
            group = of[chunk.first : chunk.last][store]
            inside = group >= 0
            np.add.at(self.up[name], (group[inside], place[inside]), 1)
            inside &= began_too
            np.add.at(self.began[name], (group[inside], place[inside]), 1)
        self._begins.append(Begins(store[began_too] + chunk.first, place[began_too]))

    @property
    def usual(self) -> float:
        """How often a store of the fleet that was up is down in the next hour with polls."""
        return float((self.fleet_began.sum() + 1) / (self.fleet_up.sum() + 2))

    def frequent(self) -> Iterator[tuple[str, int, float]]:
        """Yield the label values whose stores go down more often than the fleet's: name, index, and the rate per hour."""
        usual = self.usual
        for name, began in self.began.items():
            rates = (began.sum(axis=1) + _PRIOR_STORES * usual) / (self.up[name].sum(axis=1) + _PRIOR_STORES)
            yield from (
                (name, value, float(rates[value])) for value in np.flatnonzero(rates > usual).tolist()
            )

    def find(self) -> list[CommonCause]:
        """Return the causes to believe, the most certain first."""
        usual = self.usual
        candidates, tests = [], 0
        for name in self.groups:
            for width in WIDTHS:
                for first in range(0, len(self.up[name]), _AT_ONCE):
                    some, tested = self._test(name, width, usual, first)
                    candidates += some
                    tests += tested
        passed = believed(np.array([one.p_value for one in candidates]), tests, _FALSE_SHARE)
        chosen = [one for one, is_in in zip(candidates, passed.tolist(), strict=True) if is_in]
        return self._resolve(sorted(chosen, key=lambda one: (one.p_value, -one.down, one.name, one.value)))

    def _test(self, name: str, width: int, usual: float, first: int) -> tuple[list[CommonCause], int]:
        some = slice(first, first + _AT_ONCE)
        up, began = (_windows(counts[name][some].astype(np.int64), width) for counts in (self.up, self.began))
        fleet_up, fleet_began = (_windows(counts, width) for counts in (self.fleet_up, self.fleet_began))
        own = (began.sum(axis=1) - began.T).T / np.maximum((up.sum(axis=1) - up.T).T, 1)
        rest = (fleet_began - began + _PRIOR_STORES * usual) / (fleet_up - up + _PRIOR_STORES)
        rate = np.clip(np.maximum(np.maximum(own, rest), usual), 1e-6, 1 - 1e-6)
        value, hour = np.nonzero((began >= _LEAST_STORES) & (began > up * rate))
        stores, down, rate = up[value, hour], began[value, hour], rate[value, hour]
        p_value = upper_tails(down, stores, rate)
        causes = [
            CommonCause(
                name, first + int(v), int(h) - _MARGIN + _FIRST, width, int(n), int(d), float(n * r), float(p)
            )
            for v, h, n, d, r, p in zip(value, hour, stores, down, rate, p_value, strict=True)
        ]
        return causes, int((up >= _LEAST_STORES).sum())

    def _resolve(self, causes: list[CommonCause]) -> list[CommonCause]:
        """Keep causes that still explain something: outages that a more certain one explains are taken away from the others."""
        begins = Begins(
            *(np.concatenate([getattr(one, name) for one in self._begins]) for name in ("store", "hour"))
        )
        explained = np.zeros(len(begins.store), dtype=np.bool_)
        kept = []
        limit = max((one.p_value for one in causes), default=0.0)
        for one in causes:
            first = one.hour - _FIRST + _MARGIN
            inside = (begins.hour >= first) & (begins.hour < first + one.width)
            inside &= self.groups[one.name][begins.store] == one.value
            gone = int((inside & explained).sum())
            if gone:
                stores, down, rate = one.stores - gone, one.down - gone, one.expected / one.stores
                (left,) = upper_tails(np.array([down]), np.array([stores]), np.array([rate]))
                if down < _LEAST_STORES or left > limit:
                    continue
            explained |= inside
            kept.append(one)
        return kept


def _windows(counts: NDArray[Number], width: int) -> NDArray[Number]:
    """Return the sums over `width` hours from each hour on, along the last axis."""
    summed = counts.copy()
    for ahead in range(1, width):
        summed[..., :-ahead] += counts[..., ahead:]
    return summed


def _transitions(chunk: FleetChunk) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each scanned local hour whether a store was up at its last poll before, and whether it is down now."""
    known = chunk.history.known.reshape(-1, HOURS)
    down = chunk.history.down.reshape(-1, HOURS) >= 0.5  # noqa: PLR2004 - half of the polls
    place = np.where(known, np.arange(HOURS), -1)
    before = np.full_like(place, -1)
    before[:, 1:] = np.maximum.accumulate(place, axis=1)[:, :-1]
    recent = (before >= 0) & (np.arange(HOURS) - before <= _LAST_POLL_HOURS)
    was_up = known & recent & ~np.take_along_axis(down, np.maximum(before, 0), axis=1)
    was_up = was_up[:, _FIRST:]
    return was_up, was_up & down[:, _FIRST:]


def score_causes(chunks: Chunks, scan: CauseScan, causes: list[CommonCause], model: RiskModel) -> ScoreSums:
    """Score whether the stores of each cause are down at their next poll, against the mean of each and of the fleet."""
    sums = ScoreSums(SCORED_DAYS, REFERENCES)
    for chunk in chunks() if causes else ():
        was_up, _ = _transitions(chunk)
        known = chunk.history.known.reshape(-1, HOURS)
        down = chunk.history.down.reshape(-1, HOURS).astype(np.float64)
        for one in causes:
            members = np.flatnonzero(scan.groups[one.name][chunk.first : chunk.last] == one.value)
            for store in members.tolist():
                first = one.hour + int(chunk.ahead_hours[store])
                local = np.arange(max(first - _FIRST, 0), min(first - _FIRST + one.width, was_up.shape[1]))
                after = np.flatnonzero(known[store, first + one.width :][:24])
                if not len(after) or not was_up[store, local].any():
                    continue
                week = min(max(first // WEEK_HOURS, FIRST_SCORED), 7)
                level = model.levels[week].some(chunk.first + store, chunk.first + store + 1)
                day = np.array([min(max(first - _FIRST, 0) // 24, SCORED_DAYS - 1)])
                actual = down[store, first + one.width + after[:1]]
                mean = level.means()
                # The fleet's outages last as long as they did in the weeks before.
                predicted = mean + model.memory[week][0] * (one.down / one.stores - mean)
                references = {FLEET_RATE: np.array([level.fleet]), STORE_MEAN: mean}
                sums.add(day, actual, np.clip(predicted, 0, 1), **references)
    return sums
