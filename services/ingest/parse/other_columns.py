"""Judges the columns that a kind of file does not have: most are not read and named, some change what a row means."""

from collections.abc import Mapping
from typing import Final

from services.ingest.parse.header import Layout
from services.ingest.parse.kinds import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Kind
from services.ingest.parse.label_columns import find_meaning, suggest_accepted
from services.ingest.parse.telling_names import find_role, looks_like_time, name_numbered
from services.ingest.parse.telling_words import Role
from shared.errors import BadInputFile
from shared.texts import quoted

_BY_ANOTHER_NAME: Final = (
    "and would only be a label: write the dates of a store's life in opened_at and closed_at, and its opening hours in a"
    " file of hours, or keep it as a label by another name, for example "
)
_FIRST_DATE: Final = (
    "is not read: if hours hold every week from this date until the store's next one, rename it to effective_from,"
    " otherwise remove it"
)
_OWN_ROWS: Final = "write each opening in a row of its own"
_ANOTHER: Final = (
    f"looks like another opening of the same day, or says whether the store is open, and is not read: {_OWN_ROWS}, none for a"
    " closed day"
)
_OF_HOURS: Final[Mapping[Role, str]] = {
    "closed": "says whether a store is open, and is not read: {closed}, write a day around the clock as 00:00 to 24:00",
    "break": "looks like a break, and is not read: write the openings before and after it in rows of their own",
    "time": _ANOTHER,
    "hours": _ANOTHER,
    "part": _ANOTHER,
    "night": "says which openings end on the next day, and is not read: a closing time before the opening time is on the next"
    " day anyway, so write 18:00 to 02:00",
    "state": "says whether a store is open or a row counts, and is not read: {closed}, and leave out rows that do not count",
    "counts": "says which rows count, and is not read: leave out rows that do not count",
    "half": "says AM or PM, and is not read: write it into the times, such as 9:00 PM",
    **dict.fromkeys(("since", "dates"), "limits the dates of its row, and is not read: {dates}"),
    "type": "may say which rows are closed or do not count, and is not read: {closed}, and leave out rows that do not count",
    "weeks": "limits the weeks of its row or repeats it, and is not read: {dates}",
    "zone": "looks like a time zone, and is not read: times are local to the store, so write zones in a file of their own",
}
_WORDS: Final[Mapping[Kind, Mapping[str, str]]] = {
    "hours": {
        "closed": "leave out the rows of closed days",
        "dates": "hours hold every week from effective_from until the store's next such date, so write a row for each change"
        " of hours",
    },
    "special_hours": {
        "closed": "leave both times of a closed date empty",
        "dates": "write a row for each date",
    },
    "timezones": {"dates": "a store has one zone at all times, so leave only the rows that hold now"},
}
_ADVICE: Final[Mapping[Kind, Mapping[Role, str]]] = {
    "hours": {
        **_OF_HOURS,
        "days": "names several days, and is not read: write a row for each day on which the store is open",
        "weekday": "names the day of the week a second time, and is not read: keep the right one of the two columns",
        "holiday": "says which rows are for holidays, and is not read: write these as special hours, with their dates",
    },
    "special_hours": _OF_HOURS,
    "timezones": {"since": _OF_HOURS["since"], "dates": _OF_HOURS["dates"]},
    "polls": {"half": _OF_HOURS["half"]},
}


def refuse_telling_columns(layout: Layout) -> None:
    """Raise `BadInputFile` (`header`) for a column that cannot be ignored without changing what the rows mean."""
    for name in layout.unread:
        if layout.kind == "hours" and not layout.optional and find_role(name) == "since":
            raise BadInputFile("header", f"the column {quoted(name)} {_FIRST_DATE}")
        if advice := _find_advice(name, layout.kind):
            raise BadInputFile("header", f"the column {quoted(name)} {advice}, and remove the column")
    for name in layout.labels:
        if what := find_meaning(name):
            raise BadInputFile(
                "header", f"the column {quoted(name)} {what}, {_BY_ANOTHER_NAME}{suggest_accepted(name)}"
            )


def _find_advice(name: str, kind: Kind) -> str | None:
    if kind in {"hours", "special_hours"} and looks_like_time(name):
        return f"looks like another opening of the same day: {_OWN_ROWS}"
    column = name_numbered(name)
    if column in (*REQUIRED_COLUMNS[kind], *OPTIONAL_COLUMNS.get(kind, ())):
        return f"looks like a second {column}: keep the right one of both"
    role = find_role(name)
    advice = _ADVICE.get(kind, {}).get(role) if role else None
    return advice.format_map(_WORDS.get(kind, {})) if advice else None
