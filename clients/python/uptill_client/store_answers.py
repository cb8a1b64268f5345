"""The answers that describe a store, and a change to one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from uptill_client.import_status import Counts


@dataclass(frozen=True)
class Store:
    """A store with its latest poll."""

    store_id: str
    timezone: str
    timezone_is_default: bool
    labels: Mapping[str, str]
    first_polled_at: datetime | None
    last_polled_at: datetime | None
    last_status: str | None
    name: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Interval:
    """One opening interval in local time, such as `Interval(0, "10:00", "22:00")`. Day 0 is Monday."""

    day_of_week: int
    start_time_local: str
    end_time_local: str


@dataclass(frozen=True)
class DatedWeek:
    """The weekly hours of a store from a local date on, such as "2024-12-25". Without intervals it is open around the clock."""

    effective_from: str
    hours: Sequence[Interval]
    applies_today: bool


@dataclass(frozen=True)
class ChangeMaker:
    """Who made the last change: the import that records it, its file or call, and the key. None: not known, or the command."""

    import_id: str | None
    source: str | None
    changed_by: str | None
    changed_at: datetime


@dataclass(frozen=True)
class StoreDetail(Store):
    """A store with its opening hours. `hours` have no date, and apply today unless some of `dated_hours` do.

    `hours_set` and `timezone_set` tell who last changed them; None if that is not known.
    """

    hours: Sequence[Interval]
    is_open_24x7: bool
    polls_last_day: int
    dated_hours: Sequence[DatedWeek] = field(default=(), kw_only=True)
    hours_set: ChangeMaker | None = field(default=None, kw_only=True)
    timezone_set: ChangeMaker | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class StoreChanged:
    """The result of changing one store. `warnings`: what to check.

    `import_id` is the import that records the change, or None after a dry run.
    """

    store_id: str
    import_id: str | None
    counts: Counts
    warnings: Sequence[str] = ()
