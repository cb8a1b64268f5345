"""What a row of a platform's file says: a store, a date or a window, and its downtime or uptime."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final, TypeVar

from shared.store_ids import require_store_id
from shared.texts import quoted
from uptill_client import PlatformFigure

# Seconds of downtime for each unit.
DOWN_UNITS: Final = {"down_seconds": 1, "down_minutes": 60, "down_hours": 3600}
VALUES: Final = (*DOWN_UNITS, "uptime_percent")
# As the service has them.
_LONGEST: Final = timedelta(days=31)
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
# A `to` without a time of day could be the start or the end of its day.
_HAS_TIME: Final = re.compile(r".*[T ]\d{2}:?\d{2}.*", re.ASCII)
_TIMED_FORMAT: Final = re.compile(r"%[HIcX]")
# float() also reads 1_000, and digits of other scripts.
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(([.,])\d{3}(?:\2\d{3})*)(?!\2)[.,]\d+", re.ASCII)
_ONE_GROUP: Final = re.compile(r"[+-]?\d{1,3}[.,]\d{3}", re.ASCII)
_Day = TypeVar("_Day", date, datetime)


def read_figure(
    given: Mapping[str, str], date_format: str | None, *, has_commas: bool = False
) -> PlatformFigure:
    """Return what a row says. Raise ValueError or `InvalidRequest` with what is wrong with it.

    `has_commas`: other numbers of the file have a decimal comma.
    """
    store_id = require_store_id(given["store"], allow_odd=True)
    (value,) = (name for name in VALUES if name in given)
    number = _parse_number(given[value].removesuffix("%").strip(), has_commas=has_commas)
    if value == "uptime_percent" and not 0 <= number <= 100:  # noqa: PLR2004 - per cent
        raise ValueError(f"the uptime {number:g} is not a percentage from 0 to 100")
    if number < 0:
        raise ValueError(f"the downtime {number:g} is negative")
    is_share = value == "uptime_percent"
    if not is_share and number * DOWN_UNITS[value] > _LONGEST.total_seconds():
        raise ValueError(f"the downtime {number:g} is longer than 31 days")
    timed = PlatformFigure(
        store_id=store_id,
        down_s=None if is_share else number * DOWN_UNITS[value],
        uptime_percent=number if is_share else None,
    )
    if given.get("date"):
        return replace(timed, day=_require_year(_parse_day(given["date"], date_format)))
    if "date" in given and not (given.get("from") or given.get("to")):
        raise ValueError("the date is empty: write it as 2024-10-14, or remove the row if it is a total")
    begin, end = (_require_year(_parse_time(given.get(name, ""), date_format)) for name in ("from", "to"))
    if (begin.tzinfo is None) != (end.tzinfo is None):
        raise ValueError("only one of from and to has an offset from UTC: give both one, or neither")
    if not timedelta(0) < end - begin <= _LONGEST:
        raise ValueError(f"the window {describe_time(given)} is empty or longer than 31 days")
    return replace(timed, begin=begin, end=end)


def has_decimal_comma(text: str) -> bool:
    """Return whether a number has a decimal comma, and nothing else that the comma could be: 12,5 or 1.234,5."""
    whole, comma, digits = text.strip().removesuffix("%").rstrip().rpartition(",")
    return bool(comma) and digits.isdecimal() and "," not in whole and (len(digits) != 3 or "." in whole)  # noqa: PLR2004


def _parse_number(text: str, *, has_commas: bool) -> float:
    """Read 12.5, 12,5, 1,234.5 and 1.234,5. One group of three digits could be thousands or decimals, and is refused.

    With a dot it only is if the file has decimal commas.
    """
    plain = text
    if "," in text and "." in text:
        if grouped := _GROUPED.fullmatch(text):
            plain = text.replace(grouped[2], "").replace(",", ".")
    elif (_ONE_GROUP.fullmatch(text) and ("," in text or has_commas)) or text.count(",") > 1:
        raise ValueError(
            f"the number {quoted(text)} has two meanings: write it without commas or dots between digits"
        )
    else:
        plain = text.replace(",", ".")
    if not _NUMBER.fullmatch(plain) or (number := float(plain)) == float("inf"):
        raise ValueError(f"{quoted(text)} is not a number")
    return number


def _parse_day(text: str, date_format: str | None) -> date:
    try:
        return datetime.strptime(text, date_format).date() if date_format else date.fromisoformat(text)  # noqa: DTZ007
    except ValueError:
        raise ValueError(
            f"{quoted(text)} is not a date such as {date_format or '2024-10-14'}: give --date-format, such as %d/%m/%Y"
        ) from None


def _parse_time(text: str, date_format: str | None) -> datetime:
    if not (_TIMED_FORMAT.search(date_format) if date_format else _HAS_TIME.fullmatch(text)):
        raise ValueError(
            f"{quoted(text)} has no time of day, so it could be the start or the end of the day: write 2024-10-14T18:00"
        )
    try:
        return datetime.strptime(text, date_format) if date_format else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError:
        raise ValueError(
            f"{quoted(text)} is not a time such as {date_format or '2024-10-14T18:00'}: give --date-format"
        ) from None


def _require_year(day: _Day) -> _Day:
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"the year {day.year} is outside {_FIRST_YEAR} to {_LAST_YEAR}")
    return day


def describe_time(given: Mapping[str, str]) -> str:
    """Return the time as the file has it."""
    return given.get("date") or f"{given.get('from', '')} - {given.get('to', '')}"
