"""The columns of a report's files in their order: name, measure and unit. Must not know the formats."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.uptime.window import Window

Unit = Literal[
    "text",
    "minutes",
    "hours",
    "seconds",
    "polls",
    "outages",
    "stores",
    "share",
    "rate",
    "days",
    "instant",
    "boolean",
]
_TIMES = {"uptime": "up_us", "downtime": "down_us"}
_DETAIL_TIMES = _TIMES | {
    "unknown": "unknown_us",
    "uptime_min": "up_min_us",
    "uptime_max": "up_max_us",
    "excluded": "excluded_us",
}
_OUTAGE_TIMES = {"longest_outage": "longest_us", "mttr": "mttr_us", "mtbf": "mtbf_us"}
_OPTIONAL = ("mttr_us", "mtbf_us")


@dataclass(frozen=True)
class Column:
    """One column. `measure` is a field of `Measures` or of `OutageTotals`, for window `window_no`; empty for other values.

    A column that `is_optional` can be empty.
    """

    name: str
    unit: Unit
    measure: str = ""
    window_no: int = 0
    is_optional: bool = False


STORE_ID = Column("store_id", "text")
TIMEZONE = Column("timezone", "text")
NAME = Column("name", "text")
OUTAGE_COLUMNS = (
    STORE_ID,
    Column("window", "text"),
    Column("started_at", "instant"),
    Column("ended_at", "instant", is_optional=True),
    Column("end", "text"),
    Column("down_s", "seconds"),
    Column("polls", "polls"),
    Column("last_up_poll_at", "instant", is_optional=True),
    Column("first_down_poll_at", "instant", is_optional=True),
    Column("last_down_poll_at", "instant", is_optional=True),
    Column("first_up_poll_at", "instant", is_optional=True),
    Column("began_at_opening", "boolean"),
    Column("starts_before_window", "boolean"),
    Column("started_at_local", "text"),
    Column("ended_at_local", "text"),
    Column("reasons", "text"),
)
REASON_COLUMNS = (
    STORE_ID,
    Column("window", "text"),
    Column("reason", "text"),
    Column("down_s", "seconds"),
    Column("outages", "outages"),
)
SUMMARY_COLUMNS = (
    Column("window", "text"),
    Column("section", "text"),
    Column("group", "text"),
    Column("stores", "stores", is_optional=True),
    Column("availability", "share", is_optional=True),
    Column("previous_availability", "share", is_optional=True),
    Column("availability_change", "share", is_optional=True),
    Column("down_h", "hours"),
    Column("previous_down_h", "hours", is_optional=True),
    Column("down_h_change", "hours", is_optional=True),
    Column("up_h", "hours"),
    Column("previous_up_h", "hours", is_optional=True),
    Column("unknown_h", "hours"),
    Column("previous_unknown_h", "hours", is_optional=True),
    Column("excluded_h", "hours"),
    Column("previous_excluded_h", "hours", is_optional=True),
    Column("previous_stores", "stores", is_optional=True),
)
LEVEL_COLUMNS = (
    Column("level", "text"),
    Column("period", "text"),
    Column("first_day", "text"),
    Column("last_day", "text"),
    Column("through", "text"),
    Column("store_id", "text"),
    Column("state", "text"),
    Column("target", "share"),
    Column("achieved", "share", is_optional=True),
    Column("counted_minutes", "minutes"),
    Column("budget_minutes", "minutes"),
    Column("used_minutes", "minutes"),
    Column("left_minutes", "minutes"),
    Column("burn_rate", "rate", is_optional=True),
    Column("projected", "share", is_optional=True),
    Column("days_missing", "days"),
    Column("as_of", "instant"),
    Column("evaluated_at", "instant"),
)


def report_columns(windows: Sequence[Window], *, detail: bool) -> tuple[Column, ...]:
    """Return uptime of every window, then downtime.

    `detail` adds unknown time, the bounds, excluded time, the polls, the outages, the zone and the name.
    """
    times = _time_columns(windows, _DETAIL_TIMES if detail else _TIMES)
    if not detail:
        return (STORE_ID, *times)
    polls = (Column(f"polls_{window.name}", "polls", "polls", n) for n, window in enumerate(windows))
    outages = (Column(f"outages_{window.name}", "outages", "outages", n) for n, window in enumerate(windows))
    return (STORE_ID, *times, *polls, *outages, *_time_columns(windows, _OUTAGE_TIMES), TIMEZONE, NAME)


def _time_columns(windows: Sequence[Window], measures: Mapping[str, str]) -> Iterator[Column]:
    """Yield one column for each measure and window."""
    for label, measure in measures.items():
        for number, window in enumerate(windows):
            unit: Unit = "minutes" if window.in_minutes else "hours"
            yield Column(f"{label}_{window.name}", unit, measure, number, measure in _OPTIONAL)
