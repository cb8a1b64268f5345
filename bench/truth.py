"""Simulated stores whose true state is known at every instant, and what a poller sees of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.uptime.intervals import Int64s, Line, elapsed_before, intersect_intervals
from shared.uptime.kernel import Polls
from shared.uptime.policy import DAY_US, HOUR_US, MINUTE_US

DAYS: Final = 7
OPENS_US, CLOSES_US = 10 * HOUR_US, 22 * HOUR_US
FIRST_US: Final = 20_000 * DAY_US
AS_OF_US: Final = FIRST_US + DAYS * DAY_US
_SETTLED_AFTER: Final = 40  # outages of mean length: the first instant is as likely to be down as any other


@dataclass(frozen=True)
class Outages:
    """Outages `[begin_us, end_us)` of stores that are open every day from 10:00 to 22:00 UTC, sorted by store and begin."""

    stores: int
    store: Int64s
    begin_us: Int64s
    end_us: Int64s

    @property
    def line(self) -> Line:
        return Line.covering(FIRST_US - DAY_US, AS_OF_US, self.stores)

    def places(self) -> tuple[Int64s, Int64s]:
        """Return the outages on the line."""
        return self.line.place(self.store, self.begin_us), self.line.place(self.store, self.end_us)

    def down_us(self) -> Int64s:
        """Return how long each store was down in its opening hours of the seven days."""
        store = np.repeat(np.arange(self.stores), DAYS)
        midnights_us = np.tile(FIRST_US + DAY_US * np.arange(DAYS), self.stores)
        opens, closes = (self.line.place(store, midnights_us + time_us) for time_us in (OPENS_US, CLOSES_US))
        _, begin, end = intersect_intervals(*self.places(), opens, closes)
        borders = np.arange(self.stores + 1) * self.line.width_us
        down_us: Int64s = np.diff(elapsed_before(begin, end, borders))
        return down_us


def simulate(random: np.random.Generator, stores: int, mean_us: int, share_down: float) -> Outages:
    """Draw outages and the times between them, both exponential, without regard to opening hours."""
    between_us = mean_us * (1 - share_down) / share_down
    settled_us = _SETTLED_AFTER * mean_us
    number = 2 * int((settled_us + (DAYS + 1) * DAY_US) / (mean_us + between_us)) + 20
    up_us, length_us = (random.exponential(mean, (stores, number)) for mean in (between_us, mean_us))
    end_us = FIRST_US - DAY_US - settled_us + np.cumsum(up_us + length_us, axis=1).astype(np.int64)
    begin_us = end_us - length_us.astype(np.int64)
    seen = (end_us > FIRST_US - DAY_US) & (begin_us < AS_OF_US) & (begin_us < end_us)
    return Outages(stores, np.nonzero(seen)[0], begin_us[seen], end_us[seen])


def poll(random: np.random.Generator, outages: Outages, cadence_us: int, share_lost: float) -> Polls:
    """Look at every store once per `cadence_us`, each time up to a tenth of it early or late; some looks are lost."""
    looks = (DAYS + 1) * DAY_US // cadence_us + 1
    shape = (outages.stores, looks)
    drift_us = random.uniform(-0.1, 0.1, shape) * cadence_us + random.uniform(0, cadence_us, (shape[0], 1))
    at_us = FIRST_US - DAY_US + np.arange(looks) * cadence_us + drift_us.astype(np.int64)
    kept = (at_us > FIRST_US - DAY_US) & (at_us <= AS_OF_US) & (random.random(shape) >= share_lost)
    store, at_us = np.nonzero(kept)[0], at_us[kept]
    begin, end = outages.places()
    place = outages.line.place(store, at_us)
    last = np.searchsorted(begin, place, side="right")
    is_down = place < np.concatenate(([-1], end))[last]
    return Polls(store, at_us, ~is_down)


def minutes(us: Int64s) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return microseconds as minutes."""
    return us / MINUTE_US
