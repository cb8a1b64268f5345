"""Guesses the format of timestamps that are not written in a documented form, from their values. Decides nothing."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from services.ingest.parse.date_formats import DateFormat

_VALUE = re.compile(
    r"(?:(?P<first>\d{1,4})(?P<mark>[/.\-])(?P<second>\d{1,2})(?P=mark)(?P<third>\d{1,4})"
    r"|(?P<name>[A-Za-z]{3,9}) +\d{1,2}(?P<comma>,?) +\d{4}"
    r"|(?P<day>\d{1,2})(?P<between>[ \-/.])[A-Za-z]{3,9}(?P=between)(?P<year>\d{4}|\d\d))"
    r"(?P<gap>T|,? +|$)"
    r"(?:\d{1,2}(?P<colon>[:.])\d\d(?P<seconds>(?P=colon)\d\d(?P<fraction>\.\d+)?)?(?P<half> ?[AaPp]\.?[Mm]\.?)?"
    r"(?P<zone> ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?)?",
    re.IGNORECASE | re.ASCII,
)
_YEAR_DIGITS = 4


@dataclass(frozen=True)
class Guess:
    """Formats that read all of the values that look alike, and one of these values.

    Without formats: `has_time` tells whether the values at least have a time of day. `other` is a value of another form,
    if there are several forms and none of them is that of most values.
    """

    formats: Sequence[str]
    example: str
    has_time: bool
    other: str | None = None


def guess_formats(values: Sequence[str]) -> Guess | None:
    """Return the formats that read the values, or None if most of them do not look like dates."""
    alike = [(candidates, text) for text in values if (candidates := _list_candidates(text.strip(" ")))]
    if not alike:
        return None
    (candidates, count), *_ = Counter(candidates for candidates, _ in alike).most_common(1)
    if count * 2 <= len(values):
        return _find_two_forms(alike)
    texts = [text for given, text in alike if given == candidates]
    has_time = "%H" in candidates[0] or "%I" in candidates[0]
    if not has_time:
        return Guess((), texts[0].strip(" "), has_time)
    column = pl.Series(texts, dtype=pl.String)
    faults = {text: set(DateFormat.parse(text).decode(column).faults) for text in candidates}
    # Values that no format reads decide nothing.
    unreadable = set.intersection(*faults.values())
    fitting = [text for text in candidates if faults[text] == unreadable and len(unreadable) < len(texts)]
    # A year in front is followed by the month, unless that is impossible.
    if candidates[0].startswith("%Y"):
        if not fitting:
            return None
        fitting = fitting[:1]
    return Guess(fitting, texts[0].strip(" "), has_time)


def has_date_and_time(text: str) -> bool:
    """Return whether a value looks like a date with a time of day."""
    match = _VALUE.fullmatch(text.strip(" "))
    return match is not None and match["colon"] is not None


def _find_two_forms(alike: Sequence[tuple[tuple[str, ...], str]]) -> Guess | None:
    first: dict[tuple[str, ...], str] = {}
    for candidates, text in alike:
        first.setdefault(candidates, text.strip(" "))
    if len(first) == 1:
        return None
    example, other, *_ = first.values()
    return Guess((), example, has_time=True, other=other)


def _list_candidates(text: str) -> tuple[str, ...]:
    """Return the formats that a value may have, or nothing if it is not a date. Values that look alike have the same."""
    match = _VALUE.fullmatch(text)
    if match is None:
        return ()
    end = _describe_time(match)
    return tuple(f"{date}{end}" for date in _describe_dates(match))


def _describe_dates(match: re.Match[str]) -> Sequence[str]:
    if match["name"]:
        return [f"%b %d{match['comma']} %Y"]
    if match["between"]:
        year = "%Y" if len(match["year"]) == _YEAR_DIGITS else "%y"
        return [match["between"].join(("%d", "%b", year))]
    if len(match["first"]) == _YEAR_DIGITS:
        orders = ["%Y %m %d", "%Y %d %m"]
    elif len(match["third"]) == _YEAR_DIGITS:
        orders = ["%m %d %Y", "%d %m %Y"]
    elif max(len(match["first"]), len(match["third"])) <= len("24"):
        orders = ["%m %d %y", "%d %m %y", "%y %m %d"]
    else:
        return []
    return [order.replace(" ", match["mark"]) for order in orders]


def _describe_time(match: re.Match[str]) -> str:
    if not match["colon"]:
        return ""
    hour, colon, half = ("%I" if match["half"] else "%H"), match["colon"], match["half"] or ""
    seconds = f"{colon}%S" if match["seconds"] else ""
    fraction = ".%f" if match["fraction"] else ""
    gap = re.sub(" +", " ", match["gap"])
    zone = f"{' ' if (match['zone'] or '').startswith(' ') else ''}%z" if match["zone"] else ""
    return f"{gap}{hour}{colon}%M{seconds}{fraction}{' %p' if half.startswith(' ') else '%p' if half else ''}{zone}"
