"""The options of a report, shared by `create_report` and `create_schedule`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

FORMATS = ("csv", "json", "parquet", "xlsx", "pdf")
FILES = ("report", "outages", "reasons", "summary", "service_levels")


class ReportOptions(TypedDict, total=False):
    """What a report measures. The service uses its default for an option that is missing or None."""

    # The name of an accounting policy. Default: "classic".
    policy: str | None
    # Whether to add columns for unknown time, bounds, poll counts, outages and time zones.
    detail: bool
    # Window names such as "last_day", or ISO 8601 durations such as "PT6H", in column order.
    windows: Sequence[str] | None
    # Any of FORMATS. CSV is always included.
    formats: Sequence[str] | None
    # Any of FILES: "outages" adds a file with one row per outage, "reasons" one with downtime by reason, "summary" one
    # with sums over the stores, "service_levels" one with the last evaluation of each level. "report" is always included.
    files: Sequence[str] | None
    # Limits the report to these stores; unknown ids are refused.
    store_ids: Sequence[str] | None
    # Limits the report to stores that have all of these labels.
    labels: Mapping[str, str] | None
    # Reasons whose time leaves the open time, such as "paused_by_store".
    exclude_reasons: Sequence[str] | None


def to_json(as_of: datetime | str, **options: Unpack[ReportOptions]) -> dict[str, Any]:
    """Return the options as a request's JSON, without those that are None."""
    values: dict[str, Any] = {**options}
    stores = {"ids": values.pop("store_ids", None), "labels": values.pop("labels", None)}
    values["stores"] = _without_none(stores) or None
    values["as_of"] = as_of.isoformat() if isinstance(as_of, datetime) else as_of
    return _without_none(values)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    # Sequences become lists: JSON has no tuples, and httpx2 encodes no other sequences.
    return {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in values.items()
        if value is not None
    }
