"""Opening intervals of the week as a caller writes them: parses and checks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.ingest.parse.dates import parse_date
from services.ingest.parse.days import DAY_NAMES, FROM_ZERO, NumbersUsed, is_first_number_unsaid, parse_day
from services.ingest.parse.local_hours import parse_hours
from services.ingest.parse.times_of_day import (
    DAY_S,
    LONG_OPENING_S,
    describe_equal_times,
    describe_long_openings,
)
from shared.errors import InvalidRequest
from shared.row_reasons import ROW_REASONS
from shared.texts import quoted

_SHOWN = 60
_OTHER_DAY = "must be 0 (Monday) to 6 (Sunday), or an English name such as Monday"
_NO_HOURS = "these hours have no interval, so {}; to close the store, set its lifetime"


@dataclass(frozen=True)
class LocalInterval:
    """One opening as text: the day, as an English name or as a number from 0 (Monday), and two times of day."""

    day_of_week: str
    opens: str
    closes: str


def parse_interval(index: int, interval: LocalInterval) -> tuple[int, int, int]:
    """Return the day (0 is Monday), and the opening and closing second. Raise `InvalidRequest`."""
    field = f"body.hours.{index}"
    fields = parse_hours(interval.day_of_week, interval.opens, interval.closes)
    day = parse_day(interval.day_of_week)
    if day is None or day.number == len(DAY_NAMES):
        field += ".day_of_week"
        raise InvalidRequest(f"{field} {_OTHER_DAY}, not {interval.day_of_week[:_SHOWN]}", field=field)
    if isinstance(fields, str):
        times = f"{quoted(interval.opens)} to {quoted(interval.closes)}"
        raise InvalidRequest(f"{field}, {times}: {ROW_REASONS[fields]}", field=field)
    # The body numbers the days from 0.
    number = day.number if day.named is None else day.named
    return number or 0, fields["opens"], fields["closes"]


def warn_of_hours(
    intervals: Sequence[LocalInterval], parsed: Sequence[tuple[int, int, int]], without: str
) -> Sequence[str]:
    """Return what files with these hours would be warned of. `without`: how the store counts if there are none."""
    warnings = [] if intervals else [_NO_HOURS.format(without)]
    numbers = {interval.day_of_week for interval in intervals if interval.day_of_week.isdecimal()}
    if is_first_number_unsaid({0: NumbersUsed("0" in numbers, seven=False, distinct=len(numbers))}):
        warnings.append(FROM_ZERO)
    long = [
        interval
        for interval, (_, opens, closes) in zip(intervals, parsed, strict=True)
        if closes < opens and closes + DAY_S - opens > LONG_OPENING_S
    ]
    if long:
        warnings.append(describe_long_openings(len(long), f"{long[0].opens} to {long[0].closes}"))
    equal = [
        interval
        for interval, (_, opens, closes) in zip(intervals, parsed, strict=True)
        if opens == closes and "24:00" not in interval.closes
    ]
    if equal and len(equal) < len(intervals):
        warnings.append(describe_equal_times(len(equal), f"{equal[0].opens} to {equal[0].closes}"))
    return warnings


def parse_start(effective_from: str | None) -> date | None:
    """Return the date from which hours apply. Raise `InvalidRequest`."""
    if effective_from is None:
        return None
    start = parse_date(effective_from)
    if start is None:
        raise InvalidRequest(f"{quoted(effective_from)}: {ROW_REASONS['date']}", field="query.effective_from")
    return start
