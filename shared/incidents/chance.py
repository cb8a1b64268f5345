"""Whether stores of one label value that went down together are more than chance explains. Pure.

docs/reference/incidents.md has the rule. The scheduler imports no numpy, so the binomial tail is summed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import exp, lgamma, log, log1p
from typing import Any, Final, NamedTuple

from shared.incidents.live_store import DAY_US, MINUTE_US

_YEAR_US: Final = 365 * DAY_US
_HOUR_MINUTES: Final = 60
# Stores that the usual rate counts beside those of the rest.
_PRIOR_STORES: Final = 5
# Terms below this share of their sum change nothing.
_NEGLIGIBLE: Final = 1e-17
_MOST_SHARE: Final = 0.95
FLEET: Final = ""


@dataclass(frozen=True)
class GroupCounts:
    """Stores of a rule: by value of the label how many are open and how many of these are up, and how many are up of all.

    `open` and `up` are keyed by subject. `usual` has the rates at which stores go down within an hour, by `NAME=VALUE`, and
    that of the fleet as `FLEET`; empty before the first run of insights.
    """

    open: Mapping[str, int] = field(default_factory=dict)
    up: Mapping[str, int] = field(default_factory=dict)
    open_of_all: int = 0
    up_of_all: int = 0
    usual: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def tested(self) -> int:
        """How many values have several open stores."""
        return sum(number > 1 for number in self.open.values())


class Sighting(NamedTuple):
    """Stores with a value: `down` of the `stores` that were up went down within the window, and the same of the others."""

    down: int
    stores: int
    rest_down: int
    rest: int


def chance_of(
    seen: Sighting, label: str, usual: Mapping[str, float], window_minutes: int
) -> tuple[float, float]:
    """Return the probability that chance makes at least as many stores go down, and how many it makes go down on average."""
    hours = max(1.0, window_minutes / _HOUR_MINUTES)
    fleet = usual.get(FLEET)
    if fleet is None:
        rate = (seen.rest_down + 1) / (seen.rest + 2)
    else:
        fleet = min(1.0, fleet * hours)
        own = min(1.0, usual.get(label, 0.0) * hours)
        rate = max(fleet, own, (seen.rest_down + _PRIOR_STORES * fleet) / (seen.rest + _PRIOR_STORES))
    expected = rate * seen.stores
    return (1.0 if seen.down <= expected else _tail(seen.down, seen.stores, rate)), expected


def is_seldom(chance: float, down: int, counts: GroupCounts, parameters: Mapping[str, Any]) -> bool:
    """Return whether a rule that tests all values all the time finds chance at most `false_alarms_per_year` times a year."""
    windows = _YEAR_US / (parameters["window_minutes"] * MINUTE_US)
    allowed: float = parameters["false_alarms_per_year"]
    return bool(chance * down * max(counts.tested, 1) * windows <= allowed)


def is_nearly_all(subject: str, counts: GroupCounts) -> bool:
    """Return whether nearly all stores have the value, so that it explains nothing."""
    return counts.open.get(subject, 0) > _MOST_SHARE * counts.open_of_all


def _tail(least: int, trials: int, rate: float) -> float:
    """Return the probability of at least `least` hits, which are more than expected, so that terms fall."""
    if rate >= 1:
        return 1.0
    log_hit, log_miss = log(rate), log1p(-rate)
    total = 0.0
    for hits in range(least, trials + 1):
        ways = lgamma(trials + 1) - lgamma(hits + 1) - lgamma(trials - hits + 1)
        term = exp(ways + hits * log_hit + (trials - hits) * log_miss)
        total += term
        if term <= _NEGLIGIBLE * total:
            break
    return min(total, 1.0)
