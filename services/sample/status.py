"""What a poll finds: a store is active while it is open, not in an outage and not dark. Knows no file.

A platform reports a closed store as inactive. Outages last for hours, so that several polls fall into one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.sample.draws import Draws
from services.sample.fleet import DEFAULT_ZONE, ZONES, Fleet
from services.sample.polling import SweepPolls
from services.sample.schedule import DAY_US, HOUR_US, PollingSchedule
from services.sample.weeks import ALWAYS_OPEN, WEEKS

_MINUTE_US: Final = 60_000_000
_WEEK_MIN: Final = 7 * 24 * 60
_EPOCH_MINUTE_OF_WEEK: Final = 3 * 24 * 60  # 1970-01-01 was a Thursday

# Measured: 4 % of the polls that follow another within minutes contradict it, so one in fifty is misread.
_MISREAD_SHARE: Final = 0.02
# Chosen: the share of days on which a store has an outage. Stores that are down more have longer ones.
_OUTAGE_DAYS_SHARE: Final = 0.6


@dataclass(frozen=True)
class Watch:
    """Decides the status of each poll of a fleet."""

    draws: Draws
    fleet: Fleet
    schedule: PollingSchedule

    def is_active(self, polls: SweepPolls) -> NDArray[np.bool_]:
        """Return the status of each poll."""
        misread = self.draws.uniform("misread", polls.number) < _MISREAD_SHARE
        up = self._is_open(polls) & ~self._in_outage(polls)
        return (up ^ misread) & ~self.fleet.dark[polls.store]

    @cached_property
    def _open_minutes(self) -> NDArray[np.bool_]:
        """Open minutes, shape (weeks + 1, 10080). The last row is for stores without hours, whose week is -1."""
        return np.stack([week.open_minutes() for week in (*WEEKS, ALWAYS_OPEN)])

    @cached_property
    def _offsets_us(self) -> NDArray[np.int64]:
        """Local minus UTC time in each hour, shape (hours, zones + 1). The last zone is for stores without one."""
        hours = range(self.schedule.start_us, self.schedule.end_us + HOUR_US, HOUR_US)
        instants = [datetime.fromtimestamp(hour // 1_000_000, UTC) for hour in hours]
        zones = [ZoneInfo(name) for name in (*ZONES, DEFAULT_ZONE)]
        return np.array([[_utc_offset_us(instant, zone) for zone in zones] for instant in instants])

    def _is_open(self, polls: SweepPolls) -> NDArray[np.bool_]:
        hour = (polls.at_us - self.schedule.start_us) // HOUR_US
        local_us = polls.at_us + self._offsets_us[hour, self.fleet.zone[polls.store]]
        minute = (local_us // _MINUTE_US + _EPOCH_MINUTE_OF_WEEK) % _WEEK_MIN
        is_open: NDArray[np.bool_] = self._open_minutes[self.fleet.week[polls.store], minute]
        return is_open

    def _in_outage(self, polls: SweepPolls) -> NDArray[np.bool_]:
        """Return whether each poll is in an outage. A store has at most one a day, and its days begin at its own hour."""
        phase = self.draws.uniform("day", polls.store)
        time = (polls.at_us - self.schedule.start_us) / DAY_US + phase
        day = time.astype(np.int64)
        outage = day * len(self.fleet.up_share) + polls.store
        # The mean of the square of a uniform number is 1/3: most outages are short, a few last all day.
        length = 3 * (1 - self.fleet.up_share[polls.store]) / _OUTAGE_DAYS_SHARE
        length *= self.draws.uniform("outage length", outage) ** 2
        length = np.minimum(length, 1.0)
        begin = self.draws.uniform("outage begin", outage) * (1 - length)
        struck = self.draws.uniform("outage", outage) < _OUTAGE_DAYS_SHARE
        return struck & (begin <= time - day) & (time - day < begin + length)


def _utc_offset_us(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)
