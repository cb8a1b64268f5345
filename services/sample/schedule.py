"""When the fleet is polled: sweeps, each over one hour, at irregular distances. Knows no store."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sample.draws import Draws

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Measured: stores have 62 polls in the last 8 days, and 3,678 stores 1.85 M polls in 45 days: more often before that.
_LATE_HOURS: Final = 8 * 24
_LATE_SWEEPS_PER_HOUR: Final = 62 / _LATE_HOURS
_EARLY_SWEEPS_PER_HOUR: Final = 0.402


@dataclass(frozen=True)
class PollingSchedule:
    """The sweeps of a period, in time order."""

    start_us: int
    end_us: int
    sweep_us: NDArray[np.int64]  # start of each sweep, microseconds since the epoch; it ends an hour later

    @property
    def sweeps_before_last_week(self) -> int:
        """How many sweeps end before the last week."""
        return int(np.count_nonzero(self.sweep_us + HOUR_US <= self.end_us - 7 * DAY_US))


def plan_sweeps(draws: Draws, end: datetime, days: int) -> PollingSchedule:
    """Choose the hours of `days` days before `end` (aware) in which the fleet is polled; the last hour always is."""
    end_us = (end - _EPOCH) // timedelta(microseconds=1)
    hours_back = np.arange(1, days * 24 + 1)
    late = hours_back <= _LATE_HOURS
    luck = draws.uniform("sweep", hours_back)
    luck[0] = 0.0
    chosen = np.concatenate(
        (
            _find_luckiest(hours_back[late], luck[late], _LATE_SWEEPS_PER_HOUR),
            _find_luckiest(hours_back[~late], luck[~late], _EARLY_SWEEPS_PER_HOUR),
        )
    )
    return PollingSchedule(end_us - days * DAY_US, end_us, np.sort(end_us - chosen * HOUR_US))


def _find_luckiest(hours: NDArray[np.int64], luck: NDArray[np.float64], rate: float) -> NDArray[np.int64]:
    return hours[np.argsort(luck, kind="stable")[: round(len(hours) * rate)]]
