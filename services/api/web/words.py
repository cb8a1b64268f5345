"""The filters of the page's templates: how it writes values."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote

from jinja2.filters import do_filesizeformat

from services.api.web.form_words import form_words
from shared.clock import to_us
from shared.column_words import describe_column, describe_notes, name_windows
from shared.pictures.words import (
    NO_VALUE,
    clock,
    day_name,
    known_share,
    length,
    minute_of,
    moment,
    plain,
    share,
    short_moment,
    thousands,
)
from shared.texts import count_of

_SECOND_US, _MINUTE_S, _HOUR_S = 1_000_000, 60, 3600
_KILO = 1_000


def hours(us: int) -> str:
    """Return the length of many stores' time together: from 100 hours on in whole hours."""
    whole = us // (_HOUR_S * _SECOND_US)
    return f"{whole:,} h" if whole >= 100 else length(us)  # noqa: PLR2004 - minutes matter to short lengths


def file_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rstrip("/").rpartition("/")[2] or path


def utc(instant: datetime | None) -> str:
    """Return an instant in UTC, to the second."""
    return NO_VALUE if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"


def size(size_bytes: int) -> str:
    """Return the size of a file such as `354 bytes` or `3.0 kB`."""
    return count_of(size_bytes, "byte") if size_bytes < _KILO else str(do_filesizeformat(size_bytes))


def short_day(day: date) -> str:
    """Return a date such as `14 Oct`."""
    return f"{day.day} {day:%b}"


def floor_percent(share_of_one: float | None) -> str:
    """Return a share as a percentage, rounded down to hundredths; a dash if there is none."""
    if share_of_one is None:
        return NO_VALUE
    return f"{int(share_of_one * 10_000 + 1e-6) / 100:.2f} %"


def ago(instant: datetime, now: datetime) -> str:
    """Return how long before `now` an instant lies, as `passed` does."""
    return passed(now - instant)


def passed(span: timedelta) -> str:
    """Return how long something lasts: `40 s`, `12 min`, `1 h 51 min`, from two days on `3 days 4 h`, from ten on `27 days`."""
    seconds = max(int(span.total_seconds()), 0)
    if seconds < _MINUTE_S:
        return f"{seconds} s"
    hours, minutes = seconds // _HOUR_S, seconds // _MINUTE_S % 60
    if not hours:
        return f"{minutes} min"
    if hours < 48:  # noqa: PLR2004 - two days
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours and days < 10 else f"{days} days"  # noqa: PLR2004 - hours matter to few days


def near_moment(instant: datetime, zone: tzinfo, *beside: datetime) -> str:
    """Return the local time of day, with the date unless one of the others has it, and with the year unless one has that."""
    local = instant.astimezone(zone)
    known = [each.astimezone(zone) for each in beside]
    if local.date() in {each.date() for each in known}:
        return minute_of(local)
    year = "" if local.year in {each.year for each in known} else f" {local.year}"
    return f"{local:%a %-d %b}{year} {minute_of(local)}"


def in_path(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def capitalize_first(text: str) -> str:
    """Return a text with its first letter in upper case, the others as they are."""
    return text[:1].upper() + text[1:]


def unbroken(text: str) -> str:
    """Return a text in which no line ends before a percent sign."""
    return text.replace(" %", "\u00a0%")


FILTERS: Mapping[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        to_us,
        size,
        count_of,
        form_words,
        describe_column,
        describe_notes,
        name_windows,
        plain,
        length,
        hours,
        file_name,
        share,
        known_share,
        clock,
        moment,
        short_moment,
        utc,
        day_name,
        short_day,
        floor_percent,
        ago,
        passed,
        in_path,
        thousands,
        capitalize_first,
        unbroken,
    )
}
