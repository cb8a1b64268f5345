"""What a batch's stores have besides weekly hours and polls: other hours, lifetimes, closures, and notes about polls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from shared.uptime.by_date import spans_by_date
from shared.uptime.calendar import Hours
from shared.uptime.closures import NO_CLOSURES, NO_LIFETIMES, Closures, Lifetimes, Schedule, schedule_of
from shared.uptime.dates import NO_DATED_HOURS, NO_SPECIAL_DAYS, DatedHours, SpecialDays
from shared.uptime.intervals import Int64s
from shared.uptime.notes import NO_NOTES, PollNotes


@dataclass(frozen=True, slots=True)
class Adjustments:
    """Inputs beyond the weekly hours, each with its own index into the batch; a store may be in any of them, or none.

    Calendars and closures for labels are resolved to stores before: `resolved_days` does it for calendars.
    """

    dated_hours: DatedHours = NO_DATED_HOURS
    special_days: SpecialDays = NO_SPECIAL_DAYS
    lifetimes: Lifetimes = NO_LIFETIMES
    closures: Closures = NO_CLOSURES
    notes: PollNotes = NO_NOTES

    def renumbered(self, number: Int64s) -> Self:
        """Return the adjustments of some stores. `number` holds the new index of each store, and -1 for the others."""
        if self is NO_ADJUSTMENTS:
            return self
        lifetimes, closures = self.lifetimes, self.closures
        lived, closed = (np.flatnonzero(number[table.store] >= 0) for table in (lifetimes, closures))
        return replace(
            self,
            dated_hours=self.dated_hours.renumbered(number),
            special_days=self.special_days.renumbered(number),
            lifetimes=Lifetimes(
                number[lifetimes.store[lived]], lifetimes.opened_us[lived], lifetimes.closed_us[lived]
            ),
            closures=Closures(
                number[closures.store[closed]],
                *(values[closed] for values in (closures.starts_us, closures.ends_us, closures.treatment)),
            ),
            notes=self.notes.renumbered(number),
        )


NO_ADJUSTMENTS: Final = Adjustments()


def adjusted_schedule(
    zones: Sequence[str | None],
    hours: Hours,
    adjustments: Adjustments,
    lo_us: int,
    hi_us: int,
    *,
    keep: bool = True,
) -> Schedule:
    """The scheduled time that touches `[lo_us, hi_us]`, in its parts; as `spans_of` for stores without adjustments.

    Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    dated, special = adjustments.dated_hours, adjustments.special_days
    spans = spans_by_date(zones, hours, dated, special, (lo_us, hi_us), keep=keep)
    schedule = schedule_of(spans, adjustments.lifetimes, adjustments.closures, len(zones))
    return replace(schedule, notes=adjustments.notes) if len(adjustments.notes) else schedule
