"""Eight weeks of local hours: how a ring of hours becomes a history, and the terms that all insights share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.insights.terms import DAYS, WEEKS
from shared.insights.weeks import Flags, Floats, WeekSums, fade

Minutes = NDArray[np.uint8]

DAY_HOURS: Final = 24
WEEK_HOURS: Final = 168
HOURS: Final = WEEKS * WEEK_HOURS
# 1970-01-01 was a Thursday: this many days after a Monday.
_EPOCH_DAY_OF_WEEK: Final = 3
# Changes whenever the minutes of an hour are counted in another way.
HOURS_VERSION: Final = 2


def ring_places(first_day: int, days: int) -> NDArray[np.int64]:
    """Return where the hours of consecutive days (since 1970) lie in a ring of `HOURS` hours.

    An hour keeps its place for eight weeks, and replaces the hour of eight weeks before.
    """
    first = (first_day + _EPOCH_DAY_OF_WEEK) * DAY_HOURS
    places: NDArray[np.int64] = (first + np.arange(days * DAY_HOURS)) % HOURS
    return places


def slots_of(first_day: int, hours: int) -> NDArray[np.int64]:
    """Return the hour of the local week (0 = Monday 00:00) of consecutive hours from a day on."""
    first = (first_day + _EPOCH_DAY_OF_WEEK) * DAY_HOURS
    slots: NDArray[np.int64] = (first + np.arange(hours)) % WEEK_HOURS
    return slots


@dataclass(frozen=True)
class HourHistory:
    """The hours of some stores on `DAYS` local dates, in order, in shape (stores, 3, HOURS): up, down, unknown minutes.

    A week of it begins with the first of the dates, on whatever day of the week that is.
    """

    minutes: Minutes
    last_day: int

    @classmethod
    def of_rings(cls, rings: Minutes, last_day: int) -> "HourHistory":
        """Return the history that ends with a day (since 1970)."""
        begin = ring_places(last_day - DAYS + 1, 1)[0]
        return cls(np.roll(rings, -int(begin), axis=-1), last_day)

    @property
    def stores(self) -> int:
        return len(self.minutes)

    @property
    def slots(self) -> NDArray[np.int64]:
        """The hour of the local week of each hour in a week, in shape (168,)."""
        return slots_of(self.last_day + 1, WEEK_HOURS)

    @cached_property
    def known(self) -> Flags:
        """Whether an hour has polls, in shape (stores, 8, 168)."""
        polled: Flags = (self.minutes[:, 0] | self.minutes[:, 1]) > 0
        return polled.reshape(-1, WEEKS, WEEK_HOURS)

    @cached_property
    def is_open(self) -> Flags:
        """Whether a store was open in an hour, in shape (stores, 8, 168)."""
        opened: Flags = (self.minutes[:, 0] | self.minutes[:, 1] | self.minutes[:, 2]) > 0
        return opened.reshape(-1, WEEKS, WEEK_HOURS)

    @cached_property
    def down(self) -> Floats:
        """The share of an hour's known minutes that was down, 0 if there are none, in shape (stores, 8, 168)."""
        up, down = self.minutes[:, 0], self.minutes[:, 1]
        # An hour has at most 60 minutes, so the sum fits into its byte.
        share: Floats = np.divide(down, np.maximum(up + down, 1), dtype=np.float32)
        return share.reshape(-1, WEEKS, WEEK_HOURS)

    @cached_property
    def faded(self) -> tuple[Sequence[Floats], Sequence[Floats]]:
        """Down and known hours before each week (0 to 8) by hour of the week; older weeks count less."""
        return fade(self.down), fade(self.known)

    @cached_property
    def week_sums(self) -> WeekSums:
        """Known and down hours of each store by week. The stores of a week lie side by side, so that products always round alike."""
        return WeekSums(
            *(np.asfortranarray(each.sum(axis=2, dtype=np.float64)) for each in (self.down, self.known))
        )
