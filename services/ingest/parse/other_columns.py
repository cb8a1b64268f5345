"""Judges the columns that a kind of file does not have: most are not read and named, some change what a row means."""

import re
from collections.abc import Mapping
from typing import Final

from services.ingest.parse.column_names import LOOSE_SPELLINGS, SPELLINGS, fold_name
from services.ingest.parse.header import Layout
from services.ingest.parse.kinds import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Kind
from shared.errors import BadInputFile
from shared.texts import quoted

_TIMES: Final = frozenset({"start_time_local", "end_time_local"})
# What people and programs append to a name that is there already: open2, open_2, status.1, status...3, status (2).
_NUMBERED: Final = re.compile(r"(?P<name>.*?[^0-9.(])(?:\.{0,3}|duplicated|\()[0-9]+\)?")
# Columns, by the letters and digits of their names, that say more about the opening than its two times.
_FLAGS: Final = frozenset(
    ["isopen", "allday", "open24h", "open24hours", "is24h", "is24hours", "24h", "24hours"]
)
_CLOSED_FLAGS: Final = ("closed", "isclosed")  # also closed_today, Closed (Y/N)
# Columns, by their folded names, that limit the dates for which a row holds.
_LIMITS: Final = frozenset(
    [
        "datefrom",
        "dateto",
        "effectivedate",
        "effectiveto",
        "effectiveuntil",
        "enddate",
        "expires",
        "fromdate",
        "startdate",
        "todate",
        "until",
        "validfrom",
        "validto",
        "validuntil",
    ]
)
_CLOSED: Final[Mapping[Kind, str]] = {
    "hours": "leave out the rows of closed days",
    "special_hours": "leave both times of a closed date empty",
}
_DATES: Final[Mapping[Kind, str]] = {
    "hours": "hours hold from effective_from until the store's next such date, so call the first date effective_from",
    "special_hours": "write a row for each date",
}


def refuse_telling_columns(layout: Layout) -> None:
    """Raise `BadInputFile` (`header`) for a column that cannot be ignored without changing what the rows mean."""
    for name in layout.unread:
        if advice := _find_advice(name, layout.kind):
            raise BadInputFile("header", f"the column {quoted(name)} {advice}, and remove the column")


def _find_advice(name: str, kind: Kind) -> str | None:
    folded = fold_name(name)
    match = _NUMBERED.fullmatch(folded)
    column = (SPELLINGS | LOOSE_SPELLINGS).get(match["name"]) if match else None
    if column in (*REQUIRED_COLUMNS[kind], *OPTIONAL_COLUMNS.get(kind, ())):
        if column in _TIMES:
            return "looks like another opening of the same day: write each opening in a row of its own"
        return f"looks like a second {column}: keep the right one of both"
    if kind in _CLOSED and _is_flag(folded):
        return (
            f"says whether a store is open, and is not read: {_CLOSED[kind]}, write a day around the clock as 00:00 to"
            " 24:00"
        )
    if kind in _DATES and folded in _LIMITS:
        return f"limits the dates of its row, and is not read: {_DATES[kind]}"
    return None


def _is_flag(folded: str) -> bool:
    letters = re.sub("[^a-z0-9]", "", folded)
    return letters in _FLAGS or letters.startswith(_CLOSED_FLAGS)
