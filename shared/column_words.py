"""Columns of a report in words: what each measures, in which window, and in which unit. Must not know any value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.uptime.window import Window, parse_window

_COUNTS: Final = {"polls", "outages"}
_MEASURES: Final[Mapping[str, str]] = {
    "uptime": "uptime",
    "downtime": "downtime",
    "unknown": "unknown time",
    "uptime_min": "uptime at least",
    "uptime_max": "uptime at most",
    "excluded": "excluded time",
    "polls": "polls",
    "outages": "outages",
    "longest_outage": "longest outage",
    "mttr": "mean time to repair",
    "mtbf": "mean time between failures",
}
# What a title does not say by itself, in the order in which the columns come.
_NOTES: Final[Mapping[str, str]] = {
    "uptime_min": "Uptime at least and at most: the bounds that the polls allow.",
    "longest_outage": "Longest outage: the most downtime of one outage.",
    "mttr": "Mean time to repair: downtime of the ended outages, divided by their number.",
    "mtbf": "Mean time between failures: uptime, divided by the outages that began in the window.",
}


@dataclass(frozen=True, slots=True)
class ColumnWords:
    """A column for people. `unit` is empty if the title says what is counted. `note` explains the measure, if it needs it."""

    title: str
    unit: str = ""
    note: str = ""


def describe_column(name: str) -> ColumnWords:
    """Return the words for a column of a report's file. One that is not about a window has its name only."""
    # The longest measure first: `uptime_min_last_day` is not about a window `min_last_day`.
    for measure in sorted(_MEASURES, key=len, reverse=True):
        window = _read_window(name.removeprefix(f"{measure}_")) if name.startswith(f"{measure}_") else None
        if window is not None:
            unit = "" if measure in _COUNTS else "minutes" if window.in_minutes else "hours"
            title = f"{_MEASURES[measure]}, {_name_window(window)}"
            return ColumnWords(title, unit, _NOTES.get(measure, ""))
    return ColumnWords(name.replace("_", " "))


def describe_notes(names: Iterable[str]) -> Sequence[str]:
    """Return what explains some columns, each sentence once."""
    return list(dict.fromkeys(note for name in names if (note := describe_column(name).note)))


def name_windows(texts: Sequence[str]) -> Sequence[str]:
    """Return the names of stored windows for people. A text that is not valid stays as it is."""
    return [text if (window := _read_window(text)) is None else _name_window(window) for text in texts]


def _name_window(window: Window) -> str:
    """Return a name such as `last day` or `week of 2026-W44`."""
    text = window.dates.text if window.dates is not None else window.name
    return text.replace("_", " ").replace(":", " ")


def _read_window(name: str) -> Window | None:
    try:
        return parse_window(name)
    except ValueError:
        return None
