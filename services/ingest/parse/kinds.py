"""The kinds of tables that can be loaded, and the columns that each one needs."""

from collections.abc import Mapping
from typing import Literal

Kind = Literal["timezones", "hours", "lifetimes", "special_hours", "closures", "stores", "polls"]

REQUIRED_COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "timezones": ("store_id", "timezone_str"),
    "hours": ("store_id", "day_of_week", "start_time_local", "end_time_local"),
    "lifetimes": ("store_id", "opened_at", "closed_at"),
    "special_hours": ("store_id", "date", "start_time_local", "end_time_local"),
    "closures": ("store_id", "starts_at", "ends_at", "treatment", "reason", "note"),
    "stores": ("store_id", "name"),
    "polls": ("store_id", "status", "timestamp_utc"),
}
OPTIONAL_COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "hours": ("effective_from",),
    "polls": ("reason", "event", "until"),
    "stores": ("timezone_str", "opened_at", "closed_at"),
}
# A file with a name may have the columns of these too.
IN_DIRECTORY: frozenset[Kind] = frozenset({"timezones", "lifetimes", "stores"})
# Polls load last.
LOAD_ORDER: tuple[Kind, ...] = tuple(REQUIRED_COLUMNS)
# The rows of one store in several files of a delivery are a union.
UNITED_KINDS: frozenset[Kind] = frozenset({"hours", "special_hours", "stores"})
# What a file of this kind sets for a store. If several files of a delivery set it, the last one counts.
FACTS: Mapping[Kind, frozenset[str]] = {
    "timezones": frozenset({"time zone"}),
    "lifetimes": frozenset({"lifetime"}),
    "closures": frozenset({"closure"}),
    "stores": frozenset({"time zone", "lifetime"}),
}
# The rows of a chunk wait in one row of the database: these files have millions.
PACKED_KINDS: frozenset[Kind] = frozenset({"hours", "timezones"})
