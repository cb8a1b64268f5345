"""Reads times of day: `09:00`, `9:00:00`, `9:00 AM`, `9.00`, and `24:00` as a closing time."""

import re

_TIME = re.compile(r"(\d\d?):([0-5]\d)(?::([0-5]\d)(?:\.0+)?)?(?: ?([ap])m)?", re.ASCII | re.IGNORECASE)
_DOTTED = re.compile(r"(\d\d?)\.([0-5]\d)", re.ASCII)
# Quarters, halves and thirds of an hour. As minutes they are rare.
_FRACTIONS = frozenset({"17", "25", "33", "50"})
_NOON_H, _DAY_H, DAY_S = 12, 24, 86_400
# Longer openings across midnight are rare, and what 9:00 to 5:00 makes.
LONG_OPENING_S = 16 * 3600


def parse_opening(text: str) -> int | None:
    """Return the second of the local day (0 to 86399), or None if this is not a time of day."""
    second = _parse_second(text)
    return None if second == DAY_S else second


def parse_closing(text: str) -> int | None:
    """Return the second of the local day, or None. `24:00` is the midnight that ends the day: 0, as hours wrap."""
    second = _parse_second(text)
    return 0 if second == DAY_S else second


def find_doubt(opens: str, closes: str) -> str | None:
    """Return why two valid times are unclear together, as a reason to reject their row, or None.

    `half_of_day`: one has AM or PM, and the other has neither though its hour may mean both. `decimal_hours`: one may be
    hours with a fraction, as 9.50 is half past nine to a spreadsheet.
    """
    halves = [text.strip(" ").lower().endswith("m") for text in (opens, closes)]
    if halves[0] != halves[1]:
        plain = closes if halves[0] else opens
        if 1 <= int(plain.strip(" ").partition(":")[0].partition(".")[0]) <= _NOON_H:
            return "half_of_day"
    dotted = [_DOTTED.fullmatch(text.strip(" ")) for text in (opens, closes)]
    return "decimal_hours" if any(match and match[2] in _FRACTIONS for match in dotted) else None


def describe_long_openings(openings: int, example: str) -> str:
    """Return a warning about openings across midnight that may come from a 12-hour clock without AM and PM."""
    hours = LONG_OPENING_S // 3600
    what = f"1 opening lasts more than {hours} hours and ends"
    if openings > 1:
        what = f"{openings:,} openings last more than {hours} hours and end"
    return (
        f"{what} on the next day, such as {example}: if a closing time is"
        " meant as PM, write it with 24 hours or with PM"
    )


def describe_equal_times(openings: int, example: str) -> str:
    """Return a warning about openings that end when they begin: 24 hours, though a closed day may be meant."""
    what = "1 opening has the same time twice and counts"
    if openings > 1:
        what = f"{openings:,} openings have the same time twice and count"
    return (
        f"{what} as 24 hours, such as {example}: a closed day has no row, a closed special"
        " date no times, and a day open around the clock is 00:00 to 24:00"
    )


def _parse_second(text: str) -> int | None:
    text = text.strip(" ")
    match = _TIME.fullmatch(text) or _DOTTED.fullmatch(text)
    if match is None:
        return None
    hour, minute, *rest = match.groups()
    second, half = rest or ("0", None)
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= _NOON_H:
            return None
        hours = hours % _NOON_H + (_NOON_H if half in "pP" else 0)
    seconds = hours * 3600 + int(minute or 0) * 60 + int(second or 0)
    return seconds if seconds < DAY_S or (hours == _DAY_H and seconds == DAY_S) else None
