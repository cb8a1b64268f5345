"""Recurring down time: windows of the local week in which a store is down significantly more often than at other times.

A window is 1 to 3 hours of one weekday. In each week it was down, up or not polled. A window is found if its weeks down are
more than the store's rate at other times explains, with the share of false findings controlled over the whole fleet, and if it was down in half of its weeks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.insights.binomial import believed, upper_tails
from shared.insights.chunks import FleetChunk, Places
from shared.insights.history import DAY_HOURS, HOURS, WEEK_HOURS
from shared.insights.risk import FIRST_SCORED, FLEET_RATE, REFERENCES, SCORED_DAYS, STORE_MEAN
from shared.insights.scores import ScoreSums
from shared.insights.terms import WEEKS

Smalls = NDArray[np.int8]
WIDTHS: Final = (1, 2, 3)
LEAST_WEEKS: Final = 4
# Two weeks down are not a pattern, however rare they are otherwise.
_LEAST_DOWN: Final = 3
# Chosen: of all findings, at most one in twenty is expected to be false.
FALSE_SHARE: Final = 0.05
# Weeks that the fleet's rate counts beside those of a store at other times.
_PRIOR_WEEKS: Final = 10.0
# Larger p-values are never believed: a fleet has many more than twenty tests.
_WORTH_KEEPING: Final = 1e-3
# Weeks that the rate at other times counts beside those of a window, when a found window is scored.
_SCORED_PRIOR: Final = 2.0


class Windows(NamedTuple):
    """Windows with small p-values, one element each. `outcome`: 1 if it was down in the week after, 0 if not, -1 if unknown.

    `store` is the place in the fleet and `begin` the hour within a week of the history.
    """

    store: Places
    begin: NDArray[np.int16]
    width: Smalls
    weeks: Smalls
    down: Smalls
    rate: NDArray[np.float64]
    p_value: NDArray[np.float64]
    outcome: Smalls


_NO_WINDOWS: Final = Windows(
    *(np.zeros(0, dtype=kind) for kind in (np.int32, np.int16, *3 * [np.int8], *2 * [np.float64], np.int8))
)


@dataclass(frozen=True)
class Pattern:
    """A window in which a store is down again and again: `down` of the `weeks` with polls. `rate`: at other times.

    `begin` is the hour of the local week (0 = Monday 00:00). `opens` and `closes`: the store opens at its begin, or closes at
    its end.
    """

    store: int
    begin: int
    width: int
    weeks: int
    down: int
    rate: float
    p_value: float
    opens: bool
    closes: bool


class PatternScan:
    """Tests the windows of a fleet with what was known before each scored week (4 to 7), and before the week to come (8).

    `fleet_rates`: how often the fleet was down before each of them.
    """

    def __init__(self, fleet_rates: Mapping[int, float]) -> None:
        self.fleet_rates = fleet_rates
        self.tests = dict.fromkeys(range(FIRST_SCORED, WEEKS + 1), 0)
        self._found: dict[int, list[Windows]] = {week: [] for week in self.tests}

    def add(self, chunk: FleetChunk) -> None:
        """Test the windows of a chunk."""
        every = list(_outcomes(chunk))
        for week, rate in self.fleet_rates.items():
            found = [_NO_WINDOWS]
            for outcomes in every:
                windows, tested = _test_windows(chunk.first, outcomes, week, rate)
                self.tests[week] += tested
                found.append(windows)
            self._found[week].append(_join(found))

    def windows(self, week: int) -> Windows:
        """Return the windows with small p-values before a week."""
        return _join([_NO_WINDOWS, *self._found[week]])


class _WindowOutcomes(NamedTuple):
    """Whether the windows from each hour on have polls, and whether they were down for three quarters: shape (stores, 8, 168).

    `weeks` and `hits` count both up to and including each week.
    """

    width: int
    known: NDArray[np.bool_]
    down: NDArray[np.bool_]
    weeks: Smalls
    hits: Smalls


def _outcomes(chunk: FleetChunk) -> Iterator[_WindowOutcomes]:
    """Yield the outcomes of each width."""
    history = chunk.history
    minutes = history.minutes[:, :2].astype(np.int16)
    every_open = history.is_open.reshape(-1, HOURS)
    opened, sums = every_open.copy(), minutes.copy()
    for width in WIDTHS:
        if ahead := width - 1:
            sums[:, :, :-ahead] += minutes[:, :, ahead:]
            opened[:, :-ahead] &= every_open[:, ahead:]
            opened[:, HOURS - ahead :] = False
        up, down = sums[:, 0], sums[:, 1]
        # A window stays within one weekday, and within opening hours.
        within = history.slots % DAY_HOURS + width <= DAY_HOURS
        known = (opened & ((up | down) > 0)).reshape(-1, WEEKS, WEEK_HOURS) & within
        was_down = known & (down >= 3 * up).reshape(-1, WEEKS, WEEK_HOURS)
        yield _WindowOutcomes(width, known, was_down, _add_up(known), _add_up(was_down))


def _add_up(outcomes: NDArray[np.bool_]) -> Smalls:
    """Return the sums up to and including each week. `np.cumsum` along this axis takes 20 times as long."""
    sums = outcomes.astype(np.int8)
    for week in range(1, WEEKS):
        sums[:, week] += sums[:, week - 1]
    return sums


def _test_windows(first: int, outcomes: _WindowOutcomes, week: int, fleet_rate: float) -> tuple[Windows, int]:
    """Return the windows with small p-values from what was known before a week, and how many were tested."""
    every_week, every_hit = outcomes.weeks[:, week - 1], outcomes.hits[:, week - 1]
    tested = every_week >= LEAST_WEEKS
    # The others are tested too: their p-values are too large to be believed.
    place = np.flatnonzero(tested & (every_hit >= _LEAST_DOWN) & (2 * every_hit >= every_week))
    store, begin = np.divmod(place, WEEK_HOURS)
    weeks, hits = (values[store, begin].astype(np.int64) for values in (every_week, every_hit))
    others, other_hits = every_week.sum(axis=1)[store] - weeks, every_hit.sum(axis=1)[store] - hits
    rate = (other_hits + _PRIOR_WEEKS * fleet_rate) / (others + _PRIOR_WEEKS)
    often = np.flatnonzero(hits > weeks * rate)
    store, begin, weeks, hits = (each[often] for each in (store, begin, weeks, hits))
    rate = rate[often]
    p_value = upper_tails(hits, weeks, rate)
    kept = np.flatnonzero(p_value <= _WORTH_KEEPING)
    store, begin = store[kept], begin[kept]
    outcome = np.full(len(kept), -1)
    if week < WEEKS:
        was_down = outcomes.down[store, week, begin].astype(np.int64)
        outcome = np.where(outcomes.known[store, week, begin], was_down, -1)
    # A window takes 26 bytes: a fleet can have several for each store.
    windows = Windows(
        store=(store + first).astype(np.int32),
        begin=begin.astype(np.int16),
        width=np.full(len(kept), outcomes.width, dtype=np.int8),
        weeks=weeks[kept].astype(np.int8),
        down=hits[kept].astype(np.int8),
        rate=rate[kept],
        p_value=p_value[kept],
        outcome=outcome.astype(np.int8),
    )
    return windows, int(tested.sum())


def _join(parts: list[Windows]) -> Windows:
    return Windows._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def choose_patterns(scan: PatternScan, week: int) -> Windows:
    """Return the windows to believe before a week: of those that overlap, the one with the smallest p-value."""
    windows = scan.windows(week)
    passed = np.flatnonzero(believed(windows.p_value, scan.tests[week], FALSE_SHARE))
    # Equal p-values: the wider window, then the earlier one.
    order = passed[np.lexsort((windows.begin[passed], -windows.width[passed], windows.p_value[passed]))]
    # The hours that are taken of a store, as bits.
    taken: dict[int, int] = {}
    chosen = []
    for place in order.tolist():
        store, hours = (
            int(windows.store[place]),
            (1 << int(windows.width[place])) - 1 << int(windows.begin[place]),
        )
        if not hours & taken.get(store, 0):
            taken[store] = hours | taken.get(store, 0)
            chosen.append(place)
    return Windows._make(column[np.array(chosen, dtype=np.int64)] for column in windows)


def score_patterns(scan: PatternScan) -> ScoreSums:
    """Score the windows that would have been found before each of the last four weeks, in the week after."""
    sums = ScoreSums(SCORED_DAYS, REFERENCES)
    for week in range(FIRST_SCORED, WEEKS):
        found = choose_patterns(scan, week)
        scored = found.outcome >= 0
        weeks, down, rate = found.weeks[scored], found.down[scored], found.rate[scored]
        predicted = (down + _SCORED_PRIOR * rate) / (weeks + _SCORED_PRIOR)
        day = 7 * (week - FIRST_SCORED) + found.begin[scored].astype(np.int64) // DAY_HOURS
        fleet = np.full(len(rate), scan.fleet_rates[week])
        references = {FLEET_RATE: fleet, STORE_MEAN: rate}
        sums.add(day, found.outcome[scored].astype(np.float64), predicted, **references)
    return sums


class PatternList:
    """The windows that hold now, the most certain first. A pass finds out whether they touch opening or closing."""

    def __init__(self, scan: PatternScan) -> None:
        self._found = choose_patterns(scan, WEEKS)
        self._slots = np.zeros(WEEK_HOURS, dtype=np.int64)
        self._opens, self._closes = np.zeros((2, len(self._found.store)), dtype=np.bool_)

    def add(self, chunk: FleetChunk) -> None:
        """Look at the opening hours of a chunk."""
        found = self._found
        self._slots = chunk.history.slots
        inside = chunk.places_of(found.store)
        opened = chunk.history.is_open[found.store[inside] - chunk.first].max(axis=1)
        begin, each = found.begin[inside].astype(np.int64), np.arange(len(inside))
        self._opens[inside] = ~opened[each, begin - 1]
        self._closes[inside] = ~opened[each, (begin + found.width[inside]) % WEEK_HOURS]

    def __len__(self) -> int:
        return len(self._found.store)

    def __iter__(self) -> Iterator[Pattern]:
        found, slots = self._found, self._slots[self._found.begin]
        for place in np.lexsort((slots, found.store, found.p_value)).tolist():
            yield Pattern(
                store=int(found.store[place]),
                begin=int(slots[place]),
                width=int(found.width[place]),
                weeks=int(found.weeks[place]),
                down=int(found.down[place]),
                rate=float(found.rate[place]),
                p_value=float(found.p_value[place]),
                opens=bool(self._opens[place]),
                closes=bool(self._closes[place]),
            )
