"""Local dates with their openings as a caller writes them, and as they are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.ingest.parse.adjustments import parse_special_hours
from services.ingest.parse.dates import parse_date
from shared.errors import InvalidRequest
from shared.row_reasons import ROW_REASONS


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
            raise InvalidRequest(ROW_REASONS["date"], field=f"dates.{index}.date")
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
                raise InvalidRequest(ROW_REASONS[reason], field=f"dates.{index}.intervals.{place}")
            intervals.add((fields["opens"], fields["closes"]))
        found[day] = [second for interval in sorted(intervals) for second in interval]
    return found
