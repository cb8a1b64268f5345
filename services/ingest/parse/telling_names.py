"""The names of columns that say more about a store's opening than the columns that are read."""

import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from services.ingest.parse.column_names import LOOSE_SPELLINGS, SPELLINGS, fold_name
from services.ingest.parse.telling_words import (
    AROUND_THE_CLOCK,
    CLOSED_ANYWHERE,
    CLOSED_STEMS,
    ROLES,
    Role,
    fold_letters,
)

# isClosed is two words.
_BETWEEN_WORDS: Final = re.compile(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])")
# What people and programs add to the name of a column: open2, open_2, status.1, status...3, status (2), second_open.
_NUMBERED: Final = re.compile(
    r"(?P<name>.*?[^0-9.(])(?:\.{0,3}|duplicated|\()[0-9]+\)?"
    r"|(?:second|third|2nd|3rd|zweite[rs]?)(?P<after>.+)"
    r"|(?P<before>.+)(?:second|third|2nd|3rd)"
)
_TIMES: Final = frozenset({"start_time_local", "end_time_local"})
CLOSED_AND_BREAKS: Final[tuple[Role, ...]] = ("closed", "break")
ONLY_CLOSED: Final[tuple[Role, ...]] = ("closed",)
# Of a name made of known words only, the first one that is there. Without any, the name tells nothing.
_TOGETHER: Final[tuple[Role, ...]] = (
    "break",
    "half",
    "state",
    "night",
    "days",
    "hours",
    "time",
    "part",
    "span",
)


def find_role(name: str, alone: tuple[Role, ...] = CLOSED_AND_BREAKS) -> Role | None:
    """Return what a name says about opening, or None. Disclosed, fermentation and opening_date say nothing.

    Words with the roles `alone` count whatever stands beside them, others only in a name without unknown words.
    """
    words = [fold_letters(word) for word in _BETWEEN_WORDS.split(name)]
    words = [word for word in words if word]
    if fold_letters(name) in AROUND_THE_CLOCK or any(text in name for text in CLOSED_ANYWHERE):
        return "closed"
    if any(word.startswith(CLOSED_STEMS) for word in words):
        return "closed"
    roles = [ROLES.get(word) for word in words]
    if found := next((role for role in roles if role in alone), None):
        return found
    joined = ROLES.get("".join(words), "link")
    if joined != "link" or None in roles:
        return None if joined == "link" else joined
    return _join_roles(words, {role for role in roles if role})


def _join_roles(words: list[str], roles: Collection[Role]) -> Role | None:
    """Return what known words say together: opening hours are more than hours, and am_pm is neither of both."""
    if {"am", "pm"} <= {*words}:
        return "half"
    if ("next", "day") in pairwise(words):
        return "night"
    if "time" in roles and "span" in roles:
        return "hours"
    return next((role for role in _TOGETHER if role in roles), None)


def name_numbered(name: str) -> str | None:
    """Return the column that a name is without the number that was added to it, or None."""
    match = _NUMBERED.fullmatch(fold_name(name))
    plain = (match["name"] or match["after"] or match["before"]) if match else ""
    return (SPELLINGS | LOOSE_SPELLINGS).get(plain)


def looks_like_time(name: str) -> bool:
    """Whether a name is that of a column with times of opening and a number."""
    return name_numbered(name) in _TIMES


def find_zone_column(names: Sequence[str]) -> str | None:
    """Return the first of these names that is that of a column with time zones or offsets from UTC."""
    return next((name for name in names if find_role(name) == "zone"), None)
