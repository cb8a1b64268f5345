"""The columns of a report, in their order: what each is called, measures, and in which unit. Knows no formats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.uptime.window import Window

Unit = Literal["text", "minutes", "hours", "polls"]
_SHOWN = {"uptime": "up_us", "downtime": "down_us"}
_SHOWN_IN_DETAIL = _SHOWN | {
    "unknown": "unknown_us",
    "uptime_min": "up_min_us",
    "uptime_max": "up_max_us",
}


@dataclass(frozen=True)
class Column:
    """`measure` is a field of `Measures`, in the window of this number; empty for a column of text."""

    name: str
    unit: Unit
    measure: str = ""
    window_no: int = 0


STORE_ID = Column("store_id", "text")
TIMEZONE = Column("timezone", "text")


def report_columns(windows: Sequence[Window], *, detail: bool) -> tuple[Column, ...]:
    """Uptime of every window, then downtime; with `detail` also what is not known, the bounds, the polls, the zone."""
    times = (
        Column(f"{label}_{window.name}", "minutes" if window.in_minutes else "hours", measure, number)
        for label, measure in (_SHOWN_IN_DETAIL if detail else _SHOWN).items()
        for number, window in enumerate(windows)
    )
    if not detail:
        return (STORE_ID, *times)
    polls = (Column(f"polls_{window.name}", "polls", "polls", n) for n, window in enumerate(windows))
    return (STORE_ID, *times, *polls, TIMEZONE)
