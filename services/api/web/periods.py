"""Today, this week and this month of one store, each beside the period before it. Must not know HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.api.use_cases.timeline import TimelineInput
from services.api.web.figures import WindowNumbers
from shared.clock import from_us
from shared.pictures.week import DAYS, midnight_us, monday_of

_NAMES: Final = (("today", "yesterday"), ("this week", "last week"), ("this month", "last month"))


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


def compare_periods(given: TimelineInput, zone: ZoneInfo) -> Sequence[ComparedPeriod]:
    """Return the three periods. `given` must reach back to `first_day_needed`."""
    today = from_us(given.as_of_us).astimezone(zone).date()
    begins = today, monday_of(today), today.replace(day=1)
    earlier = today - timedelta(days=1), begins[1] - timedelta(days=DAYS), first_day_needed(today)
    now = [(midnight_us(day, zone), given.as_of_us) for day in begins]
    before = [(midnight_us(day, zone), begin_us) for day, (begin_us, _) in zip(earlier, now, strict=True)]
    measures = given.measure_windows([*now, *before])
    return [
        ComparedPeriod(
            WindowNumbers.of(name, measures, at), WindowNumbers.of(name_before, measures, at + len(now))
        )
        for at, (name, name_before) in enumerate(_NAMES)
    ]
