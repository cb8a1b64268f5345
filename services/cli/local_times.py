"""Local times for people. Where one could be read as two instants, it has its offset from UTC."""

from collections.abc import Sequence
from datetime import datetime


def format_offset(at: datetime) -> str:
    """Format the offset of a local time from UTC."""
    return at.isoformat()[-6:]


def format_day(at: datetime) -> str:
    """Format the date of a local time, as the heading of a table, with the offset that holds then."""
    return f"{at:%a %Y-%m-%d} UTC{format_offset(at)}"


def format_clock(at: datetime, other: datetime) -> str:
    """Format a local time, with its date and offset unless `other` has the same."""
    day = "" if at.date() == other.date() else f"{at:%a %Y-%m-%d} "
    offset = "" if at.utcoffset() == other.utcoffset() else format_offset(at)
    return f"{day}{at:%H:%M:%S}{offset}"


def need_offsets(times: Sequence[datetime]) -> bool:
    """Return whether local times must be shown with offsets: clocks change between them, or one of them occurs twice."""
    return len({at.utcoffset() for at in times}) > 1 or any(map(occurs_twice, times))


def occurs_twice(at: datetime) -> bool:
    """Return whether clocks show this local time twice, because they go back."""
    return at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()
