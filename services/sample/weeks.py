"""The catalogue of opening weeks, their rows in an hours file and their minutes. Must not know stores, zones or dates.

A week is written `days*opens-closes`, Monday first; `+` adds a second shift, `-` is a closed day, and a close of 25:00
is 01:00 on the next day, which an hours file splits into two rows that meet at midnight.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DAY_MIN: Final = 24 * 60
_WEEK_MIN: Final = 7 * _DAY_MIN


@dataclass(frozen=True)
class HoursRow:
    """One row of an hours file. If it ends at midnight, `closes` is the seam: 23:59:59 or 23:59:00."""

    day_of_week: int
    opens: str
    closes: str


@dataclass(frozen=True)
class Week:
    """The hours of `stores` real stores. `seam_s` is the second that their files write for midnight (23:59:SS)."""

    stores: int
    seam_s: int
    text: str

    @cached_property
    def _shifts(self) -> list[tuple[int, int, int]]:
        """Tuples of day, opening and closing; times in minutes of the opening day."""
        days = [day for part in self.text.split() for day in [part[2:]] * int(part[0])]
        return [
            (number, _draw_minute(shift[:5]), _draw_minute(shift[6:]))
            for number, day in enumerate(days)
            if day != "-"
            for shift in day.split("+")
        ]

    def rows(self) -> list[HoursRow]:
        """Return the week's rows in an hours file."""
        rows = []
        for day, opens, closes in self._shifts:
            seam = f"23:59:{self.seam_s:02}"
            rows.append(
                HoursRow(day, _format_clock(opens), _format_clock(closes) if closes < _DAY_MIN else seam)
            )
            if closes > _DAY_MIN:
                rows.append(HoursRow((day + 1) % 7, _format_clock(0), _format_clock(closes - _DAY_MIN)))
        return rows

    def open_minutes(self) -> NDArray[np.bool_]:
        """Return whether the store is open in each minute of the local week; shape (10080,)."""
        minutes = np.zeros(_WEEK_MIN, np.bool_)
        for day, opens, closes in self._shifts:
            minutes[np.arange(day * _DAY_MIN + opens, day * _DAY_MIN + closes) % _WEEK_MIN] = True
        return minutes


def _draw_minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _format_clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}:00"


ALWAYS_OPEN: Final = Week(0, 59, "7*00:00-24:00")

# Measured: the commonest weeks of 4,466 real stores and how many keep each; the long tail of 426 weeks is folded into
# its nearest entry so that the totals hold (seams, split days, stores with fewer than seven weekdays).
WEEKS: Final[tuple[Week, ...]] = (
    Week(380, 0, "7*10:00-22:30"),
    Week(329, 0, "7*10:30-21:30"),
    Week(290, 0, "7*10:30-21:00"),
    Week(250, 0, "4*10:00-22:30 2*10:00-23:30 1*10:00-22:30"),
    Week(213, 0, "7*10:30-21:10"),
    Week(211, 0, "4*10:45-21:45 2*10:45-22:45 1*10:45-21:45"),
    Week(190, 0, "7*06:30-23:30"),
    Week(135, 0, "4*10:30-21:00 2*10:30-22:00 1*10:30-21:00"),
    Week(115, 0, "7*10:00-21:30"),
    Week(110, 0, "7*10:00-22:50"),
    Week(65, 0, "7*10:00-21:50"),
    Week(64, 0, "7*10:00-21:00"),
    Week(55, 0, "6*06:30-23:30 1*07:30-23:30"),
    Week(50, 0, "4*11:00-20:45 2*11:00-21:45 1*11:00-21:00"),
    Week(45, 0, "7*11:00-22:30"),
    Week(40, 0, "4*11:00-21:00 2*11:00-22:00 1*11:00-21:00"),
    Week(35, 0, "7*10:45-22:00"),
    Week(35, 0, "7*10:30-20:30"),
    Week(30, 0, "7*06:00-23:30"),
    Week(30, 0, "1*08:30-21:30 1*12:00-21:30 5*08:00-21:30"),
    Week(25, 0, "6*11:00-21:00 1*12:00-20:00"),
    # Open to midnight.
    Week(205, 59, "7*10:30-24:00"),
    Week(110, 59, "4*10:00-23:00 2*10:00-24:00 1*10:00-23:00"),
    Week(92, 0, "7*10:30-24:00"),
    Week(55, 0, "4*10:00-23:00 2*10:00-24:00 1*10:00-23:00"),
    Week(30, 0, "7*11:00-24:00"),
    Week(30, 0, "4*11:00-23:00 2*11:00-24:00 1*11:00-23:00"),
    Week(60, 59, "7*00:00-24:00"),
    Week(19, 0, "7*00:00-24:00"),
    # Past midnight: two rows that meet there.
    Week(300, 59, "4*10:00-24:00 2*10:00-25:00 1*10:00-24:00"),
    Week(145, 0, "4*10:00-24:00 2*10:00-25:00 1*10:00-24:00"),
    Week(40, 59, "4*10:30-24:00 2*10:30-25:00 1*10:30-24:00"),
    Week(35, 59, "4*10:00-24:00 2*10:00-25:00 1*11:00-24:00"),
    Week(55, 59, "7*10:30-26:00"),
    Week(32, 59, "7*10:00-25:00"),
    Week(28, 59, "3*10:30-22:30 3*10:30-26:30 1*12:00-22:30"),
    Week(40, 59, "4*15:00-28:00 3*11:00-28:00"),
    Week(40, 59, "7*10:00-29:00"),
    Week(20, 0, "6*11:00-24:30 1*11:00-24:00"),
    Week(20, 59, "4*11:00-20:45 2*11:00-25:45 1*11:00-20:45"),
    Week(35, 59, "7*08:00-26:00"),
    Week(45, 59, "7*11:00-25:30"),
    Week(30, 59, "7*16:00-28:00"),
    Week(12, 0, "3*06:30-23:30 3*06:30-24:30 1*07:30-23:30"),
    # Split days, most of them a minute apart; three and four rows a day.
    Week(107, 0, "7*06:30-10:19+10:20-23:30"),
    Week(25, 0, "6*06:30-10:19+10:20-23:30 1*07:30-10:19+10:20-23:30"),
    Week(24, 0, "7*06:00-10:19+10:20-23:30"),
    Week(8, 0, "7*11:00-14:30+17:00-22:00"),
    Week(5, 0, "7*00:00-03:59+04:00-10:19+10:20-24:00"),
    Week(4, 0, "7*06:30-10:19+10:20-21:49+21:50-23:30"),
    Week(2, 59, "7*07:00-09:00+17:00-30:59"),
    Week(1, 0, "7*06:30-10:19+10:20-21:49+21:50-24:30"),
    # Fewer than seven weekdays (115 stores).
    Week(49, 0, "4*11:00-20:45 2*11:00-21:45 1*-"),
    Week(26, 0, "2*- 2*11:00-19:45 2*11:00-20:00 1*-"),
    Week(15, 0, "2*14:00-21:30 1*- 2*14:00-21:30 2*11:00-21:30"),
    Week(16, 0, "1*- 1*06:00-07:00 5*-"),
    Week(4, 59, "1*- 1*11:00-17:15 2*10:00-24:00 2*11:00-25:00 1*-"),
    Week(3, 59, "3*- 1*18:00-27:30 3*-"),
    Week(2, 0, "2*- 3*17:30-22:00 2*-"),
)
