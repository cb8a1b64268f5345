"""Common causes: outages of stores with one label that begin at the same time more often than chance explains.

For each value of a label and each hour, the stores that were up at their last poll and those of them that are down now are
counted. A binomial scan compares them with the rate of the rest of the fleet in the same hours, with the usual rate of the group,
or with that of the fleet, whichever is highest. Of nested labels, the one that explains an outage best is kept, and the others must explain what is left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.insights.binomial import believed, upper_tails
from shared.insights.chunks import FleetChunk, GroupsByLabel, Places, group_count
from shared.insights.history import HOURS, WEEK_HOURS
from shared.insights.risk import FIRST_SCORED

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.float64)
# Hours in which outages of one cause begin: within one poll gap of an hourly poller.
WIDTHS: Final = (1, 2)
FIRST_HOUR: Final = FIRST_SCORED * WEEK_HOURS
# Hours of UTC: a local hour is at most fourteen hours from that of UTC.
_MARGIN: Final = 16
_SCANNED: Final = HOURS - FIRST_HOUR + 2 * _MARGIN
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

    store: Places
    hour: NDArray[np.int16]


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

    def __init__(self, groups: GroupsByLabel) -> None:
        self.groups = {name: of for name, of in groups.items() if group_count(of) <= _MOST_VALUES}
        self.up, self.began = ({name: _no_counts(of) for name, of in self.groups.items()} for _ in range(2))
        self.fleet_up = np.zeros(_SCANNED)
        self.fleet_began = np.zeros(_SCANNED)

    def add(self, chunk: FleetChunk) -> None:
        """Count a chunk."""
        was_up, began = transitions(chunk)
        store, hour = np.divmod(np.flatnonzero(was_up), was_up.shape[1])
        place = hour - chunk.ahead_hours[store] + _MARGIN
        began_too = began[store, hour]
        self.fleet_up += np.bincount(place, minlength=_SCANNED)
        self.fleet_began += np.bincount(place, began_too, minlength=_SCANNED)
        for name, of in self.groups.items():
            group = of[chunk.first : chunk.last][store]
            inside = group >= 0
            _count(self.up[name], group[inside], place[inside])
            inside &= began_too
            _count(self.began[name], group[inside], place[inside])

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

    def candidates(self) -> list[CommonCause]:
        """Return the causes to believe if no other explains their outages, the most certain first."""
        tested = [
            self._test(name, width, first)
            for name in self.groups
            for width in WIDTHS
            for first in range(0, len(self.up[name]), _AT_ONCE)
        ]
        p_values = np.concatenate([np.zeros(0), *(each.p_value for each in tested)])
        passed = believed(p_values, sum(each.tests for each in tested), _FALSE_SHARE)
        limit = float(p_values[passed].max(initial=-1.0))
        chosen = [one for each in tested for one in each.causes(limit)]
        return sorted(chosen, key=lambda one: (one.p_value, -one.down, one.name, one.value))

    def _test(self, name: str, width: int, first: int) -> "_TestedWindows":
        some, usual = slice(first, first + _AT_ONCE), self.usual
        up, began = (_windows(counts[name][some].astype(np.int64), width) for counts in (self.up, self.began))
        fleet_up, fleet_began = (_windows(counts, width) for counts in (self.fleet_up, self.fleet_began))
        own = (began.sum(axis=1) - began.T).T / np.maximum((up.sum(axis=1) - up.T).T, 1)
        rest = (fleet_began - began + _PRIOR_STORES * usual) / (fleet_up - up + _PRIOR_STORES)
        rate = np.clip(np.maximum(np.maximum(own, rest), usual), 1e-6, 1 - 1e-6)
        value, hour = np.nonzero((began >= _LEAST_STORES) & (began > up * rate))
        stores, down, rate = up[value, hour], began[value, hour], rate[value, hour]
        p_value = upper_tails(down, stores, rate)
        # A larger p-value is never believed, so it only counts as a test.
        kept = p_value <= _FALSE_SHARE
        return _TestedWindows(
            name,
            width,
            tests=int((up >= _LEAST_STORES).sum()),
            value=(first + value)[kept],
            hour=(hour - _MARGIN + FIRST_HOUR)[kept],
            stores=stores[kept],
            down=down[kept],
            expected=(stores * rate)[kept],
            p_value=p_value[kept],
        )


@dataclass(frozen=True)
class _TestedWindows:
    """Hours of values of a label with a small p-value, one element each; `tests` counts all."""

    name: str
    width: int
    tests: int
    value: Ints
    hour: Ints
    stores: Ints
    down: Ints
    expected: Doubles
    p_value: Doubles

    def causes(self, limit: float) -> Iterator[CommonCause]:
        """Yield those whose p-value is at most this large."""
        for place in np.flatnonzero(self.p_value <= limit).tolist():
            yield CommonCause(
                name=self.name,
                value=int(self.value[place]),
                hour=int(self.hour[place]),
                width=self.width,
                stores=int(self.stores[place]),
                down=int(self.down[place]),
                expected=float(self.expected[place]),
                p_value=float(self.p_value[place]),
            )


class CauseChoice:
    """Chooses among the candidates of a scan. A pass gathers the outages that they could explain."""

    def __init__(self, scan: CauseScan) -> None:
        self._groups = scan.groups
        self._candidates = scan.candidates()
        self._hours = np.zeros(_SCANNED, dtype=np.bool_)
        for one in self._candidates:
            self._hours[_scanned_hours(one)] = True
        self._begins = [Begins(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int16))]

    def add(self, chunk: FleetChunk) -> None:
        """Gather the outages of a chunk."""
        if not self._candidates:
            return
        _, began = transitions(chunk)
        store, hour = np.nonzero(began)
        place = hour - chunk.ahead_hours[store] + _MARGIN
        store, place = store[self._hours[place]], place[self._hours[place]]
        self._begins.append(Begins((store + chunk.first).astype(np.int32), place.astype(np.int16)))

    def causes(self) -> list[CommonCause]:
        """Return the candidates that explain something: outages that a more certain one explains are taken from the others."""
        begins = Begins(
            *(np.concatenate([getattr(one, name) for one in self._begins]) for name in ("store", "hour"))
        )
        explained = np.zeros(len(begins.store), dtype=np.bool_)
        kept = []
        limit = max((one.p_value for one in self._candidates), default=0.0)
        for one in self._candidates:
            hours = _scanned_hours(one)
            inside = (begins.hour >= hours.start) & (begins.hour < hours.stop)
            inside &= self._groups[one.name][begins.store] == one.value
            gone = int((inside & explained).sum())
            if gone:
                stores, down, rate = one.stores - gone, one.down - gone, one.expected / one.stores
                (left,) = upper_tails(np.array([down]), np.array([stores]), np.array([rate]))
                if down < _LEAST_STORES or left > limit:
                    continue
            explained |= inside
            kept.append(one)
        return kept


def _scanned_hours(cause: CommonCause) -> slice:
    first = cause.hour - FIRST_HOUR + _MARGIN
    return slice(first, first + cause.width)


def _no_counts(of_store: Places) -> NDArray[np.unsignedinteger[Any]]:
    """Return counts of zero by group and hour, as small as the largest group allows: a store counts once in each hour."""
    stores = np.bincount(of_store[of_store >= 0], minlength=1)
    return np.zeros((group_count(of_store), _SCANNED), dtype=np.min_scalar_type(int(stores.max())))


def _count(counts: NDArray[np.unsignedinteger[Any]], group: Places, place: Ints) -> None:
    """Add one to the counts of these hours of groups. With one index and a number of their type it is 20 times as fast."""
    np.add.at(counts.reshape(-1), group * counts.shape[1] + place, counts.dtype.type(1))


def _windows(counts: NDArray[Number], width: int) -> NDArray[Number]:
    """Return the sums over `width` hours from each hour on, along the last axis."""
    summed = counts.copy()
    for ahead in range(1, width):
        summed[..., :-ahead] += counts[..., ahead:]
    return summed


def transitions(chunk: FleetChunk) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each scanned local hour whether a store was up at its last poll before, and whether it is down now."""
    some = slice(FIRST_HOUR - _LAST_POLL_HOURS, HOURS)
    known = chunk.history.known.reshape(-1, HOURS)[:, some]
    down = chunk.history.down.reshape(-1, HOURS)[:, some] >= 0.5  # noqa: PLR2004 - half of the polls
    # The last poll before each hour: twice its hour, and one more if it was down. So the latest is the largest.
    hour = np.arange(known.shape[1], dtype=np.int16)
    polls = np.where(known, 2 * hour + down, np.int16(-1))
    last = np.maximum.accumulate(polls, axis=1)[:, _LAST_POLL_HOURS - 1 : -1]
    was_up = known[:, _LAST_POLL_HOURS:] & (last >= 2 * hour[:-_LAST_POLL_HOURS]) & (last & 1 == 0)
    return was_up, was_up & down[:, _LAST_POLL_HOURS:]
