"""Recurring down time: windows of the local week in which a store is down significantly more often than at other times.

A window is 1 to 3 hours of one weekday. In each week it was down, up or not polled. A window is found if its weeks down are
more than the store's rate at other times explains, with the share of false findings controlled over the whole fleet, and if it was down in half of its weeks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.insights.binomial import believed, upper_tails
from shared.insights.chunks import Chunks, FleetChunk
from shared.insights.history import DAY_HOURS, HOURS, WEEK_HOURS
from shared.insights.risk import FIRST_SCORED, FLEET_RATE, REFERENCES, SCORED_DAYS, STORE_MEAN
from shared.insights.scores import ScoreSums
from shared.insights.terms import WEEKS

Ints = NDArray[np.int64]
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

    store: Ints
    begin: Ints
    width: Ints
    weeks: Ints
    down: Ints
    rate: NDArray[np.float64]
    p_value: NDArray[np.float64]
    outcome: Ints


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


@dataclass
class PatternScan:
    """What is known of windows before each scored week, and before the week to come."""

    windows: dict[int, Windows]
    tests: dict[int, int]
    fleet_rates: dict[int, float]


def scan_patterns(chunks: Chunks) -> PatternScan:
    """Test the windows of a fleet with what was known before each of the weeks 4 to 8."""
    found: dict[int, list[Windows]] = {week: [] for week in range(FIRST_SCORED, WEEKS + 1)}
    tests = dict.fromkeys(found, 0)
    rates = _fleet_rates(chunks)
    for chunk in chunks():
        for width in WIDTHS:
            known, down = _outcomes(chunk, width)
            for week, parts in found.items():
                windows, tested = _test_windows(chunk, (known, down), width, week, rates[week])
                tests[week] += tested
                parts.append(windows)
    joined = {week: _join(some) for week, some in found.items()}
    return PatternScan(joined, tests, rates)


def _fleet_rates(chunks: Chunks) -> dict[int, float]:
    down, known = np.zeros(WEEKS), np.zeros(WEEKS)
    for chunk in chunks():
        down += chunk.history.down.sum(axis=(0, 2), dtype=np.float64)
        known += chunk.history.known.sum(axis=(0, 2))
    weeks = range(FIRST_SCORED, WEEKS + 1)
    return {week: float((down[:week].sum() + 1) / (known[:week].sum() + 2)) for week in weeks}


def _outcomes(chunk: FleetChunk, width: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether the windows from each hour on have polls, and whether they were down for three quarters: shape (stores, 8, 168)."""
    history = chunk.history
    minutes = history.minutes.astype(np.int16)
    every_open = history.is_open.reshape(-1, HOURS)
    opened = every_open.copy()
    up, down = minutes[:, 0].copy(), minutes[:, 1].copy()
    for ahead in range(1, width):
        up[:, :-ahead] += minutes[:, 0, ahead:]
        down[:, :-ahead] += minutes[:, 1, ahead:]
        opened[:, :-ahead] &= every_open[:, ahead:]
        opened[:, HOURS - ahead :] = False
    # A window stays within one weekday, and within opening hours.
    within = history.slots % DAY_HOURS + width <= DAY_HOURS
    known = (opened & (up + down > 0)).reshape(-1, WEEKS, WEEK_HOURS) & within
    return known, known & (4 * down >= 3 * (up + down)).reshape(-1, WEEKS, WEEK_HOURS)


def _test_windows(
    chunk: FleetChunk,
    outcomes: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    width: int,
    week: int,
    fleet_rate: float,
) -> tuple[Windows, int]:
    """Return the windows with small p-values from what was known before a week, and how many were tested."""
    known, down = outcomes
    weeks, hits = known[:, :week].sum(axis=1), down[:, :week].sum(axis=1)
    others, other_hits = weeks.sum(axis=1, keepdims=True) - weeks, hits.sum(axis=1, keepdims=True) - hits
    rate = (other_hits + _PRIOR_WEEKS * fleet_rate) / (others + _PRIOR_WEEKS)
    tested = weeks >= LEAST_WEEKS
    # The others are tested too: their p-values are too large to be believed.
    place = np.flatnonzero(
        (tested & (hits >= _LEAST_DOWN) & (2 * hits >= weeks) & (hits > weeks * rate)).ravel()
    )
    weeks, hits, rate = weeks.ravel()[place], hits.ravel()[place], rate.ravel()[place]
    p_value = upper_tails(hits, weeks, rate)
    kept = np.flatnonzero(p_value <= _WORTH_KEEPING)
    place = place[kept]
    store, begin = np.divmod(place, WEEK_HOURS)
    outcome = np.full(len(place), -1)
    if week < WEEKS:
        outcome = np.where(known[store, week, begin], down[store, week, begin].astype(np.int64), -1)
    columns = (weeks[kept], hits[kept], rate[kept], p_value[kept], outcome)
    return Windows(store + chunk.first, begin, np.full(len(place), width), *columns), int(tested.sum())


def _join(parts: list[Windows]) -> Windows:
    return Windows._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def choose_patterns(scan: PatternScan, week: int) -> Windows:
    """Return the windows to believe before a week: of those that overlap, the one with the smallest p-value."""
    windows = scan.windows[week]
    passed = np.flatnonzero(believed(windows.p_value, scan.tests[week], FALSE_SHARE))
    # Equal p-values: the wider window, then the earlier one.
    order = passed[np.lexsort((windows.begin[passed], -windows.width[passed], windows.p_value[passed]))]
    taken: set[tuple[int, int]] = set()
    chosen = []
    for place in order.tolist():
        hours = {(int(windows.store[place]), hour) for hour in _hours(windows, place)}
        if not hours & taken:
            taken |= hours
            chosen.append(place)
    return Windows._make(column[np.array(chosen, dtype=np.int64)] for column in windows)


def _hours(windows: Windows, place: int) -> range:
    begin = int(windows.begin[place])
    return range(begin, begin + int(windows.width[place]))


def score_patterns(scan: PatternScan) -> ScoreSums:
    """Score the windows that would have been found before each of the last four weeks, in the week after."""
    sums = ScoreSums(SCORED_DAYS, REFERENCES)
    for week in range(FIRST_SCORED, WEEKS):
        found = choose_patterns(scan, week)
        scored = found.outcome >= 0
        weeks, down, rate = found.weeks[scored], found.down[scored], found.rate[scored]
        predicted = (down + _SCORED_PRIOR * rate) / (weeks + _SCORED_PRIOR)
        day = 7 * (week - FIRST_SCORED) + found.begin[scored] // DAY_HOURS
        fleet = np.full(len(rate), scan.fleet_rates[week])
        references = {FLEET_RATE: fleet, STORE_MEAN: rate}
        sums.add(day, found.outcome[scored].astype(np.float64), predicted, **references)
    return sums


def list_patterns(chunks: Chunks, scan: PatternScan) -> Iterator[Pattern]:
    """Yield the windows that hold now, by store."""
    found = choose_patterns(scan, WEEKS)
    for chunk in chunks():
        opened = chunk.history.is_open.max(axis=1)
        for place in np.flatnonzero((found.store >= chunk.first) & (found.store < chunk.last)).tolist():
            hours, is_open = _hours(found, place), opened[int(found.store[place]) - chunk.first]
            yield Pattern(
                store=int(found.store[place]),
                begin=int(chunk.history.slots[hours.start]),
                width=len(hours),
                weeks=int(found.weeks[place]),
                down=int(found.down[place]),
                rate=float(found.rate[place]),
                p_value=float(found.p_value[place]),
                opens=not is_open[hours.start - 1],
                closes=not is_open[hours.stop % WEEK_HOURS],
            )
