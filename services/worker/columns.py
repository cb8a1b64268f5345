"""The columns of a report in their order: name, measure and unit. Must not know the formats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.uptime.window import Window

Unit = Literal["text", "minutes", "hours", "polls"]
_TIMES = {"uptime": "up_us", "downtime": "down_us"}
_DETAIL_TIMES = _TIMES | {
    "unknown": "unknown_us",
    "uptime_min": "up_min_us",
    "uptime_max": "up_max_us",
    "excluded": "excluded_us",
}


@dataclass(frozen=True)
class Column:
    """One column. `measure` is a field of `Measures`, for window `window_no`; empty for a column of text."""

    name: str
    unit: Unit
    measure: str = ""
    window_no: int = 0


STORE_ID = Column("store_id", "text")
TIMEZONE = Column("timezone", "text")


def report_columns(windows: Sequence[Window], *, detail: bool) -> tuple[Column, ...]:
    """Return uptime of every window, then downtime. `detail` adds unknown time, the bounds, excluded time, the polls and the zone."""
    times = (
        Column(f"{label}_{window.name}", "minutes" if window.in_minutes else "hours", measure, number)
        for label, measure in (_DETAIL_TIMES if detail else _TIMES).items()
        for number, window in enumerate(windows)
    )
    if not detail:
        return (STORE_ID, *times)
    polls = (Column(f"polls_{window.name}", "polls", "polls", n) for n, window in enumerate(windows))
    return (STORE_ID, *times, *polls, TIMEZONE)
