"""Calls for outages, and their answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack

from uptill_client.pages import PAGE
from uptill_client.report_files import FailedStore
from uptill_client.stores import store_path
from uptill_client.transport import Transport


@dataclass(frozen=True)
class StoreOutage:
    """A run of downtime of one store. Its ends lie between polls, so they are not measured to the minute.

    It began between `last_up_poll_at` and `first_down_poll_at`, and ended between `last_down_poll_at` and
    `first_up_poll_at`. `end` is "up", "unknown" (no poll covers the time after it) or "ongoing".
    """

    store_id: str
    timezone: str
    started_at: datetime
    ended_at: datetime | None
    end: str
    down_us: int
    polls: int
    last_up_poll_at: datetime | None
    first_down_poll_at: datetime | None
    last_down_poll_at: datetime | None
    first_up_poll_at: datetime | None
    began_at_opening: bool
    starts_before_window: bool
    reasons: Sequence[str] = ()


@dataclass(frozen=True)
class OutageListing:
    """One page of outages. `failed_stores` names stores that could not be computed, so that their outages are missing."""

    policy: str
    policy_version: int
    tzdata_version: str
    as_of: datetime
    outages: Sequence[StoreOutage]
    failed_stores: Sequence[FailedStore]
    next: str | None


class OutageFilters(TypedDict, total=False):
    """Which outages to list. The service uses its default for a filter that is missing or None."""

    # A window as in reports, instead of `begin` and `end` (exclusive). Default: the last day before the newest poll.
    window: str | None
    begin: datetime | None
    end: datetime | None
    # Ignore later polls.
    as_of: datetime | None
    # The name of an accounting policy.
    policy: str | None
    # At least this much downtime: an ISO 8601 duration such as "PT30M".
    min_length: str | None
    # Only those that are, or are not, ongoing.
    ongoing: bool | None
    # "unknown_end", "late_opening", or a reason that a poll of the outage gave, such as "paused_by_store".
    reason: str | None
    # Leave out the time for which polls gave one of these reasons.
    exclude_reasons: Sequence[str] | None
    # "start" (the latest first) or "length" (the longest first).
    sort: str | None


class OutageCalls:
    """Calls for outages. Each call raises `ApiError` on failure."""

    _api: Transport

    def outages(
        self,
        *,
        store_ids: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        **filters: Unpack[OutageFilters],
    ) -> Iterator[StoreOutage]:
        """Yield the outages of up to 1,000 stores, chosen by id or label. For more, create a report with `files=["outages"]`."""
        for page in self.outage_pages(store_ids=store_ids, labels=labels, **filters):
            yield from page.outages

    def outage_pages(
        self,
        *,
        store_ids: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        **filters: Unpack[OutageFilters],
    ) -> Iterator[OutageListing]:
        """Do what `outages` does, page by page. Pages also name the stores that could not be computed."""
        chosen = {
            "store": list(store_ids or []) or None,
            "label": [f"{name}:{value}" for name, value in (labels or {}).items()] or None,
        }
        return self._iterate_outages("/v1/outages", {**chosen, **_to_query(filters)})

    def store_outages(self, store_id: str, **filters: Unpack[OutageFilters]) -> Iterator[StoreOutage]:
        """Yield the outages of one store. Raises `ApiError` with code `store_failed` if it cannot be computed."""
        for page in self._iterate_outages(f"{store_path(store_id)}/outages", _to_query(filters)):
            yield from page.outages

    def _iterate_outages(self, path: str, query: Mapping[str, Any]) -> Iterator[OutageListing]:
        wanted = {name: value for name, value in query.items() if value is not None}
        cursor: dict[str, str] = {}
        while True:
            page = self._api.call(OutageListing, "GET", path, params={**wanted, "limit": PAGE, **cursor})
            yield page
            if page.next is None:
                return
            cursor = {"cursor": page.next}


def _to_query(filters: OutageFilters) -> dict[str, Any]:
    query: dict[str, Any] = {**filters}
    query["from"], query["to"] = query.pop("begin", None), query.pop("end", None)
    ongoing = query.pop("ongoing", None)
    query["exclude_reason"] = list(query.pop("exclude_reasons", None) or ()) or None
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in query.items()
    } | {"ongoing": None if ongoing is None else str(ongoing).lower()}
