"""Local dates with their openings as a caller writes them, and as they are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.ingest.parse.adjustments import parse_special_hours
from services.ingest.parse.dates import parse_date
from services.ingest.parse.times_of_day import describe_equal_times, parse_closing, parse_opening
from shared.errors import InvalidRequest
from shared.row_reasons import ROW_REASONS
from shared.texts import quoted


@dataclass(frozen=True)
class LocalDate:
    """A local date as text, with its openings as pairs of times of day. Without openings it is closed."""

    day: str
    intervals: Sequence[tuple[str, str]]


def parse_special_dates(dates: Sequence[LocalDate]) -> Mapping[date, list[int]]:
    """Return opening and closing seconds by date, as they are stored. Raise `InvalidRequest`."""
    found: dict[date, list[int]] = {}
    for index, given in enumerate(dates):
        day = parse_date(given.day)
        if day is None:
            raise InvalidRequest(f"{quoted(given.day)}: {ROW_REASONS['date']}", field=f"dates.{index}.date")
        if day in found:
            raise InvalidRequest(
                f"the date {day} is given twice: put all its intervals into one entry",
                field=f"dates.{index}.date",
            )
        intervals = set()
        for place, (opens, closes) in enumerate(given.intervals):
            fields = parse_special_hours(given.day, opens, closes)
            if isinstance(fields, str) or "opens" not in fields:
                reason = fields if isinstance(fields, str) else "time"
                raise InvalidRequest(
                    f"{quoted(opens)} to {quoted(closes)}: {ROW_REASONS[reason]}",
                    field=f"dates.{index}.intervals.{place}",
                )
            intervals.add((fields["opens"], fields["closes"]))
        found[day] = [second for interval in sorted(intervals) for second in interval]
    return found


def warn_of_dates(dates: Sequence[LocalDate]) -> list[str]:
    """Return what files with these dates would be warned of: openings that end when they begin."""
    equal = [
        f"{opens} to {closes} on {given.day}"
        for given in dates
        for opens, closes in given.intervals
        if parse_opening(opens) == parse_closing(closes) and "24:00" not in closes
    ]
    return [describe_equal_times(len(equal), equal[0])] if equal else []
