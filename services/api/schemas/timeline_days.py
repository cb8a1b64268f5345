"""Answer bodies for the dates of a timeline that have hours of their own."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from pydantic import BaseModel, Field

from shared.uptime.store_terms import SpecialDay, StoreTerms
from shared.uptime.zones import DAY_S


class DayIntervalBody(BaseModel):
    """An opening interval of a date, in local time. If the end is not after the start, it ends on the next day."""

    start_time_local: str = Field(examples=["10:00:00"])
    end_time_local: str = Field(examples=["14:00:00"])


class TimelineDayBody(BaseModel):
    """A local date whose intervals replace the weekly ones that open on it."""

    date: date
    calendar: str | None = Field(
        description="The calendar that decides; null for the store's own special hours."
    )
    intervals: Sequence[DayIntervalBody] = Field(description="Empty: the store is closed.")


def list_special_days(terms: StoreTerms, begin: datetime, end: datetime) -> list[TimelineDayBody]:
    """Return the special dates from the local date of `begin` to that of `end`, in order.

    The date before is among them if it has hours that end on the next day.
    """
    day_before = begin.date() - timedelta(days=1)
    return [
        _show_day(day, special)
        for day, special in sorted(terms.special.items())
        if begin.date() <= day <= end.date() or (day == day_before and _ends_on_next_day(special))
    ]


def _ends_on_next_day(special: SpecialDay) -> bool:
    return any(closes % DAY_S <= opens for opens, closes in special.intervals)


def _show_day(day: date, special: SpecialDay) -> TimelineDayBody:
    return TimelineDayBody(
        date=day,
        calendar=special.calendar,
        intervals=[
            DayIntervalBody(start_time_local=_format_time(opens), end_time_local=_format_time(closes))
            for opens, closes in special.intervals
        ],
    )


def _format_time(second: int) -> str:
    second %= DAY_S
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
