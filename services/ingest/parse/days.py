"""Reads days of the week: English names, and numbers, which only a whole file explains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from shared.errors import BadInputFile

K = TypeVar("K")
DAY_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS: Final = {name: day for day, name in enumerate(DAY_NAMES)} | {
    name[:3]: day for day, name in enumerate(DAY_NAMES)
}
_NUMBERS: Final = frozenset("01234567")
FROM_ONE: Final = "the days of the week are numbered 1 to 7: 1 is read as Monday, 7 as Sunday"
FROM_ZERO: Final = "no day is numbered 0 or 7, so 1 is read as Tuesday: if 1 is Monday in this file, write the names of the days"
_WORKING_DAYS = 5  # a file with fewer numbers may well be about single days
_FIX: Final = "number the days 0 (Monday) to 6 (Sunday), or write their names"


@dataclass(frozen=True)
class Day:
    """A day as written: by its name (0 is Monday), or by a number from 0 to 7."""

    named: int | None = None
    number: int | None = None


@dataclass(frozen=True)
class NumbersUsed:
    """Whether a file names day 0, and day 7. Rejected rows of stores count too.

    `mixed`: some days have numbers, others names. `distinct`: how many numbers occur.
    """

    zero: bool
    seven: bool
    mixed: bool = False
    distinct: int = 0

    @property
    def is_silent(self) -> bool:
        """Whether it has numbers, but none that tells which one is Monday."""
        return self.distinct > 0 and not (self.zero or self.seven)


def parse_day(text: str) -> Day | None:
    """Return the day, or None if it is neither a number from 0 to 7 nor an English name, full or of three letters."""
    text = text.strip(" ").lower()
    if text in _NUMBERS:
        return Day(number=int(text))
    named = _DAYS.get(text)
    return None if named is None else Day(named=named)


def refuse_mixed(used: NumbersUsed) -> None:
    """Raise `BadInputFile` (`day_numbers`) if a file names both day 0 and day 7, or mixes numbers and names."""
    if used.zero and used.seven:
        raise BadInputFile(
            "day_numbers", f"the file has both day 0 and day 7, so it is unclear which day is which; {_FIX}"
        )
    if used.mixed:
        raise BadInputFile(
            "day_numbers",
            f"the file gives some days as numbers and others as names, so it is unclear which day is 1; {_FIX}",
        )


def is_first_number_unsaid(delivery: Mapping[K, NumbersUsed]) -> bool:
    """Return whether a delivery numbers most days of the week, but neither 0 nor 7, so that 1 may be meant as Monday."""
    if any(used.zero or used.seven for used in delivery.values()):
        return False
    return any(used.distinct >= _WORKING_DAYS for used in delivery.values())


def find_first_numbers(delivery: Mapping[K, NumbersUsed]) -> dict[K, int]:
    """Return which number is Monday (0 or 1) in each file of a delivery.

    A file with numbers, but neither 0 nor 7, follows the others.
    """
    from_one = any(used.seven for used in delivery.values())
    return {file: int(used.seven or (used.is_silent and from_one)) for file, used in delivery.items()}


def describe_unclear(silent: str, zero: str, seven: str, *, are_many: bool) -> str:
    """Return why files are refused that have neither day 0 nor day 7. `zero` and `seven` are other files of the delivery."""
    return (
        f"{silent} {'have' if are_many else 'has'} neither day 0 nor day 7, so it is unclear which day is 1 there: in the"
        f" same delivery, {zero} has day 0, and {seven} has day 7; {_FIX}"
    )
