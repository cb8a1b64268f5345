"""How the page and the printed report write values: lengths, shares, times of a zone, and texts that others chose."""

from datetime import date, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from shared.clock import from_us
from shared.local_times import occurs_twice, offset_text
from shared.texts import UNSEEN

NO_VALUE: Final = "\u2013"
_SECOND_US: Final = 1_000_000
_MINUTE_S, _HOUR_S = 60, 3600


class HasTimes(Protocol):
    """Figures with uptime and downtime."""

    @property
    def up_us(self) -> int: ...
    @property
    def down_us(self) -> int: ...


def plain(text: object) -> str:
    """Return a text that others chose, with invisible characters as escapes: none can hide or reverse the rest."""
    return UNSEEN.sub(lambda found: repr(found[0])[1:-1], str(text))


def length(us: int) -> str:
    """Return a length such as `2 h 05 min`, cut to whole minutes, or to seconds if it is shorter than ten minutes."""
    seconds = us // _SECOND_US
    hours, minutes = seconds // _HOUR_S, seconds % _HOUR_S // _MINUTE_S
    if hours:
        return f"{hours} h {minutes:02} min"
    if minutes >= 10:  # noqa: PLR2004 - seconds matter to short lengths
        return f"{minutes} min"
    return f"{minutes} min {seconds % _MINUTE_S:02} s" if minutes else f"{seconds} s"


def share(up_us: int, down_us: int) -> str:
    """Return uptime as a share of known time, never rounded up to 100 %; a dash if nothing is known."""
    known_us = up_us + down_us
    if not known_us:
        return NO_VALUE
    percent = 100 * up_us / known_us
    if up_us == known_us:
        return "100 %"
    return f"{min(percent, 99.99):.2f} %"


def known_share(numbers: HasTimes) -> str:
    """Return the share of a window's figures."""
    return share(numbers.up_us, numbers.down_us)


def clock(us: int, zone: ZoneInfo) -> str:
    """Return the local time of day, with seconds if there are any, and with its offset if clocks show it twice."""
    local = from_us(us).astimezone(zone)
    return f"{local:%H:%M:%S}{_offset_of(local)}" if local.second else minute_of(local)


def minute_of(local: datetime) -> str:
    """Return the time of day of an aware instant, cut to the minute, with its offset if clocks show it twice."""
    return f"{local:%H:%M}{_offset_of(local)}"


def _offset_of(local: datetime) -> str:
    return offset_text(local) if occurs_twice(local) else ""


def moment(us: int, zone: ZoneInfo) -> str:
    """Return the local date and time of day."""
    return f"{from_us(us).astimezone(zone):%a %-d %b %Y} {clock(us, zone)}"


def short_moment(us: int, zone: ZoneInfo) -> str:
    """Return the local date without its year, and the time of day."""
    return f"{from_us(us).astimezone(zone):%a %-d %b} {clock(us, zone)}"


def day_name(day: date) -> str:
    """Return a date such as `Mon 14 Oct`."""
    return f"{day:%a} {day.day} {day:%b}"


def thousands(number: int) -> str:
    """Return a number with commas."""
    return f"{number:,}"
