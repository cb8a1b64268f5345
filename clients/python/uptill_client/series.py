"""The call for series, and its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypedDict, Unpack

from uptill_client.transport import Transport


@dataclass(frozen=True)
class SeriesFigures:
    """Sums over stores and local dates, in microseconds. `days_missing`: days of stores that are not in the sums."""

    stores: int
    days: int
    days_missing: int
    open_us: int
    up_us: int
    down_us: int
    unknown_us: int
    excluded_us: int
    availability: float | None
    outages: int


@dataclass(frozen=True)
class PreviousFigures(SeriesFigures):
    """The sums of the window before, and its dates."""

    first_day: date
    last_day: date


@dataclass(frozen=True)
class SeriesChange:
    """Each number minus the one before. `availability` is None if one of the two is."""

    availability: float | None
    up_us: int
    down_us: int
    unknown_us: int
    outages: int


@dataclass(frozen=True)
class SeriesRow(SeriesFigures):
    """The sums of a group in a period, such as "2026-W40". `period` None: the whole window."""

    group: str | None
    period: str | None
    first_day: date
    last_day: date
    previous: PreviousFigures | None
    change: SeriesChange | None


@dataclass(frozen=True)
class PolicyRules:
    """The rules of a policy; `slot_s` 0: changes of state are not rounded."""

    fill: str
    horizon_s: int
    no_data: str
    slot_s: int
    edges: str
    scope: str


@dataclass(frozen=True)
class PolicySeriesRow(SeriesFigures):
    """The sums of a group in the whole window under one policy; `change` is against the first policy."""

    group: str | None
    change: SeriesChange


@dataclass(frozen=True)
class PolicySeries:
    """The whole window under one policy. `differs_in` names the rules that the first policy has otherwise."""

    policy: str
    rules: PolicyRules
    differs_in: Sequence[str]
    totals: Sequence[PolicySeriesRow]


@dataclass(frozen=True)
class SeriesAnswer:
    """Rows by group and period, and a row per group for the whole window. Complete if `days_missing` is 0.

    `policies` is empty unless several were asked for.
    """

    policy: str
    policy_version: int
    tzdata_version: str
    by: str
    group: str
    as_of: datetime | None
    first_day: date
    last_day: date
    days_missing: int
    rows: Sequence[SeriesRow]
    totals: Sequence[SeriesRow]
    policies: Sequence[PolicySeries] = ()


class SeriesOptions(TypedDict, total=False):
    """How to group, and which stores. The service uses its default for an option that is missing or None."""

    # The periods: "day" (the default), "week" or "month".
    by: str | None
    # "all" (the default), "zone", "weekday", "store", or "label:" and the name of a label.
    group: str | None
    # With the group "store": only the stores with the "lowest" or "highest" availability, and how many of them.
    order: str | None
    limit: int | None
    # The name of an accounting policy.
    policy: str | None
    # Instead of `policy`: two or more, whose totals are set side by side. The rows are those of the first one.
    policies: Sequence[str] | None
    # "previous" sets the window before beside each row.
    compare: str | None
    # Only these stores, up to 1,000.
    store_ids: Sequence[str] | None
    # Only stores that have all of these labels.
    labels: Mapping[str, str] | None


class SeriesCalls:
    """Calls for series. Each call raises `ApiError` on failure."""

    _api: Transport

    def series(self, window: str | tuple[date, date], **options: Unpack[SeriesOptions]) -> SeriesAnswer:
        """Return sums of daily facts by group of stores and period.

        `window` is the name of a window such as "previous_month", or the first and the last local date.
        """
        asked: dict[str, Any] = {**options}
        asked["label"] = [f"{name}:{value}" for name, value in (asked.pop("labels", None) or {}).items()]
        asked["store"] = list(asked.pop("store_ids", None) or [])
        asked["policies"] = ",".join(asked.pop("policies", None) or [])
        if isinstance(window, str):
            asked["window"] = window
        else:
            asked["first_day"], asked["last_day"] = (day.isoformat() for day in window)
        query = {name: value for name, value in asked.items() if value}
        return self._api.call(SeriesAnswer, "GET", "/v1/series", params=query)
