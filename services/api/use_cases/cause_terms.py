"""Hours and zones as the statement of causes gives them, in words: what held before a change, and after it."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NUMBER = re.compile(r"\d+")


def describe_terms(kind: str, values: Sequence[str | None] | None) -> str | None:
    """Return what held; None if nothing did, or if the kind is not told in words."""
    given = [value for value in values or () if value is not None]
    if not given:
        return None
    numbers = [int(number) for value in given for number in _NUMBER.findall(value)]
    if kind == "hours":
        return ", ".join(_list_days(numbers)) or "open around the clock"
    if kind == "special_hours":
        return ", ".join(_show_times(*pair) for pair in _parts(numbers, 2)) or "closed"
    return given[0]


def _list_days(numbers: Sequence[int]) -> Iterator[str]:
    """Yield the hours of each day, of following days with the same hours at once."""
    times: list[list[str]] = [[] for _ in _DAYS]
    for day, opens, closes in sorted(_parts(numbers, 3)):
        times[day].append(_show_times(opens, closes))
    for hours, group in groupby(range(len(_DAYS)), key=lambda day: times[day]):
        days = list(group)
        if hours:
            name = _DAYS[days[0]] if len(days) == 1 else f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
            yield f"{name} {' and '.join(hours)}"


def _parts(numbers: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    return (tuple(numbers[place : place + size]) for place in range(0, len(numbers), size))


def _show_times(opens: int, closes: int) -> str:
    return "-".join(f"{second // 3600:02}:{second // 60 % 60:02}" for second in (opens, closes))
