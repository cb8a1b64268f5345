"""The kinds of tables that can be loaded, and the columns that each one needs."""

from collections.abc import Mapping
from typing import Literal

Kind = Literal["timezones", "hours", "polls"]

REQUIRED_COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "timezones": ("store_id", "timezone_str"),
    "hours": ("store_id", "day_of_week", "start_time_local", "end_time_local"),
    "polls": ("store_id", "status", "timestamp_utc"),
}
# Time zones and hours load before polls.
LOAD_ORDER: tuple[Kind, ...] = tuple(REQUIRED_COLUMNS)
