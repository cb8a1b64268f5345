"""The day, week and month of the newest poll of one store, each beside the period before it. Must not know HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.api.use_cases.timeline import TimelineInput
from services.api.web.figures import WindowNumbers
from shared.clock import from_us
from shared.pictures.week import DAYS, midnight_us, monday_of
from shared.pictures.words import day_name

_NAMES: Final = (
    ("today so far", "yesterday"),
    ("this week so far", "last week"),
    ("this month so far", "last month"),
)


@dataclass(frozen=True)
class ComparedPeriod:
    """A period up to the newest poll, and the whole one before it."""

    now: WindowNumbers
    before: WindowNumbers

    @property
    def change(self) -> float | None:
        """The difference of the shares of uptime in percentage points; None if one of them is not known."""
        shares = [
            each.up_us / (each.up_us + each.down_us) for each in self._both if each.up_us + each.down_us
        ]
        return 100 * (shares[0] - shares[1]) if len(shares) == len(self._both) else None

    @property
    def _both(self) -> tuple[WindowNumbers, WindowNumbers]:
        return self.now, self.before


def first_day_needed(today: date) -> date:
    """Return the first date of the month before."""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def compare_periods(given: TimelineInput, zone: ZoneInfo, today: date) -> Sequence[ComparedPeriod]:
    """Return the three periods, by their dates unless `today` lies in them. `given` must reach back to `first_day_needed`."""
    newest = from_us(given.as_of_us).astimezone(zone).date()
    begins = newest, monday_of(newest), newest.replace(day=1)
    earlier = newest - timedelta(days=1), begins[1] - timedelta(days=DAYS), first_day_needed(newest)
    current = today, monday_of(today), today.replace(day=1)
    names = [
        words if begin == begin_now else (_name(at, begin, today), _name(at, before, today))
        for at, (words, begin, begin_now, before) in enumerate(
            zip(_NAMES, begins, current, earlier, strict=True)
        )
    ]
    now = [(midnight_us(day, zone), given.as_of_us) for day in begins]
    before = [(midnight_us(day, zone), begin_us) for day, (begin_us, _) in zip(earlier, now, strict=True)]
    measures = given.measure_windows([*now, *before])
    return [
        ComparedPeriod(
            WindowNumbers.of(name, measures, at), WindowNumbers.of(name_before, measures, at + len(now))
        )
        for at, (name, name_before) in enumerate(names)
    ]


def _name(kind: int, begin: date, today: date) -> str:
    """Return the name of a day, week or month."""
    if kind == len(_NAMES) - 1:
        return f"{begin:%B %Y}"
    day = day_name(begin) if begin.year == today.year else f"{day_name(begin)} {begin.year}"
    return f"week of {day}" if kind else day
