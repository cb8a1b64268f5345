"""Local times for people. Where one could be read as two instants, it has its offset from UTC."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.cli.console import fail, print_warning
from shared.exit_codes import ExitCode
from shared.local_times import occurs_twice, offset_text
from shared.texts import quoted


@cache
def zone_to_show(name: str) -> ZoneInfo:
    """Return a store's zone. One that this machine does not know costs no other store: UTC, with a warning."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        print_warning(f"unknown time zone {quoted(name)}: times of its stores are shown in UTC")
        return ZoneInfo("UTC")


def zone_to_read(name: str) -> ZoneInfo:
    """Return a store's zone, in which times are given. Ends the command with a message if this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        fail(
            f"unknown time zone {quoted(name)}: correct the store's zone, or update the package tzdata here",
            code=ExitCode.WRONG_USE,
        )


def format_day(at: datetime) -> str:
    """Format the date of a local time, as the heading of a table, with the offset that holds then."""
    return f"{at:%a %Y-%m-%d} UTC{offset_text(at)}"


def format_clock(at: datetime, other: datetime) -> str:
    """Format a local time, with its date and offset unless `other` has the same."""
    day = "" if at.date() == other.date() else f"{at:%a %Y-%m-%d} "
    offset = "" if at.utcoffset() == other.utcoffset() else offset_text(at)
    return f"{day}{at:%H:%M:%S}{offset}"


def need_offsets(times: Sequence[datetime]) -> bool:
    """Return whether local times must be shown with offsets: clocks change between them, or one of them occurs twice."""
    return len({at.utcoffset() for at in times}) > 1 or any(map(occurs_twice, times))
