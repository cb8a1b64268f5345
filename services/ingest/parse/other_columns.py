"""Judges the columns that a kind of file does not have: most are not read and named, some change what a row means."""

from collections.abc import Mapping
from typing import Final

from services.ingest.parse.column_names import LOOSE_SPELLINGS, SPELLINGS, fold_name
from services.ingest.parse.header import Layout
from services.ingest.parse.kinds import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Kind
from services.ingest.parse.label_columns import OWN_MEANING, suggest_label
from services.ingest.parse.telling_names import (
    fold_letters,
    is_break,
    is_closing_flag,
    is_holiday_flag,
    limits_dates,
    strip_number,
)
from shared.errors import BadInputFile
from shared.texts import quoted

_TIMES: Final = frozenset({"start_time_local", "end_time_local"})
_CLOSED: Final[Mapping[Kind, str]] = {
    "hours": "leave out the rows of closed days",
    "special_hours": "leave both times of a closed date empty",
}
_BY_ANOTHER_NAME: Final = (
    "and would only be a label: write the dates of a store's life in opened_at and closed_at, and its opening hours in a"
    " file of hours, or keep it as a label by another name, for example "
)
_DATES: Final[Mapping[Kind, str]] = {
    "hours": "hours hold from effective_from until the store's next such date, so call the first date effective_from",
    "special_hours": "write a row for each date",
    "timezones": "a store has one zone at all times, so leave only the rows that hold now",
}


def refuse_telling_columns(layout: Layout) -> None:
    """Raise `BadInputFile` (`header`) for a column that cannot be ignored without changing what the rows mean."""
    for name in layout.unread:
        if advice := _find_advice(name, layout.kind):
            raise BadInputFile("header", f"the column {quoted(name)} {advice}, and remove the column")
    for name in layout.labels:
        if what := _find_meaning(name):
            raise BadInputFile(
                "header",
                f"the column {quoted(name)} {what}, {_BY_ANOTHER_NAME}{OWN_MEANING}{suggest_label(name)}",
            )


def _find_meaning(name: str) -> str | None:
    """Return what a label of a directory seems to say about the opening of stores."""
    if name.startswith(OWN_MEANING):
        return None
    if is_closing_flag(name):
        return "says whether a store is open"
    # Without its number, it would be refused as a column of another kind.
    return "looks like a time of opening" if _name_numbered(name) in _TIMES else None


def _name_numbered(name: str) -> str | None:
    return (SPELLINGS | LOOSE_SPELLINGS).get(strip_number(fold_name(name)) or "")


def _find_advice(name: str, kind: Kind) -> str | None:
    column = _name_numbered(name)
    if column in (*REQUIRED_COLUMNS[kind], *OPTIONAL_COLUMNS.get(kind, ())):
        if column in _TIMES:
            return "looks like another opening of the same day: write each opening in a row of its own"
        return f"looks like a second {column}: keep the right one of both"
    return _judge_name(name, kind)


def _judge_name(name: str, kind: Kind) -> str | None:
    letters = fold_letters(name)
    if kind in _CLOSED and is_closing_flag(name):
        return (
            f"says whether a store is open, and is not read: {_CLOSED[kind]}, write a day around the clock as 00:00 to"
            " 24:00"
        )
    if kind in _CLOSED and is_break(name):
        return (
            "looks like a break, and is not read: write the openings before and after it in rows of their own"
        )
    if kind == "hours" and is_holiday_flag(letters):
        return "says which rows are for holidays, and is not read: write these as special hours, with their dates"
    if kind in _DATES and limits_dates(letters):
        return f"limits the dates of its row, and is not read: {_DATES[kind]}"
    return None
