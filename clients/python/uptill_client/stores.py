"""Calls for stores: list, show, explain, change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Unpack

from uptill_client.ingest_calls import IngestCalls, dry_run_params
from uptill_client.pages import iterate_pages
from uptill_client.paths import encode_segment
from uptill_client.store_answers import Interval, Store, StoreChanged, StoreDetail
from uptill_client.store_policies import StorePolicies
from uptill_client.timelines import Timeline, TimelineOptions
from uptill_client.transport import Transport


class StoreCalls(IngestCalls):
    """Calls for stores. Changes go to the ingest service. Each call raises `ApiError` on failure."""

    _api: Transport

    def stores(self, *, labels: Mapping[str, str] | None = None) -> Iterator[Store]:
        """Yield stores by id: every store, or those that have all of the labels."""
        chosen = [f"{name}:{value}" for name, value in (labels or {}).items()]
        return iterate_pages(self._api, Store, "/v1/stores", "stores", {"label": chosen or None})

    def get_store(self, store_id: str) -> StoreDetail:
        """Return one store with its opening hours. Raises `ApiError` with code `store_not_found`."""
        return self._api.call(StoreDetail, "GET", store_path(store_id))

    def timeline(self, store_id: str, **options: Unpack[TimelineOptions]) -> Timeline:
        """Explain the uptime of one store in a window, or from `begin` to `end` (exclusive).

        Polls after `as_of` are ignored. Default: the last day before the newest poll of any store.
        """
        begin, end, as_of = options.get("begin"), options.get("end"), options.get("as_of")
        query = _range_query(options.get("window"), begin, end, as_of)
        policy, excluded = options.get("policy"), options.get("exclude_reasons")
        query |= {"policy": policy} if policy else {}
        query |= {"exclude_reason": list(excluded)} if excluded else {}
        return self._api.call(Timeline, "GET", f"{store_path(store_id)}/timeline", params=query)

    def store_policies(
        self,
        store_id: str,
        policies: Sequence[str] = (),
        *,
        window: str | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
        as_of: datetime | None = None,
    ) -> StorePolicies:
        """Compare at least two policies on one store; default: "classic" and "hold". The time is chosen as for `timeline`."""
        query = {**_range_query(window, begin, end, as_of), "policy": list(policies)}
        return self._api.call(StorePolicies, "GET", f"{store_path(store_id)}/policies", params=query)

    def set_hours(
        self,
        store_id: str,
        hours: Sequence[Interval],
        *,
        create: bool = False,
        effective_from: str | None = None,
        dry_run: bool = False,
    ) -> StoreChanged:
        """Replace the opening hours of a store. With an empty list and no dated hours, it is open around the clock.

        With `effective_from`, a local date such as "2024-12-25", they apply from that date on. A dry run changes nothing.

        Raises `ApiError` with code `store_not_found` for an unknown store, unless `create` is true.
        """
        chosen = {"effective_from": effective_from} if effective_from is not None else {}
        given = [asdict(interval) for interval in hours]
        chosen |= dry_run_params(dry_run=dry_run)
        return self._change(store_id, "hours", given, create=create, **chosen)

    def remove_hours(self, store_id: str, *, effective_from: str, dry_run: bool = False) -> StoreChanged:
        """Remove the hours of a store that apply from this date on. A dry run changes nothing."""
        params = {"effective_from": effective_from, **dry_run_params(dry_run=dry_run)}
        return self._ingest.call(StoreChanged, "DELETE", f"{store_path(store_id)}/hours", params=params)

    def set_timezone(
        self, store_id: str, timezone: str, *, create: bool = False, dry_run: bool = False
    ) -> StoreChanged:
        """Set the IANA time zone of a store. An unknown store and a dry run: as in `set_hours`."""
        chosen = dry_run_params(dry_run=dry_run)
        return self._change(store_id, "timezone", timezone, create=create, **chosen)

    def set_labels(
        self, store_id: str, labels: Mapping[str, str], *, create: bool = False, dry_run: bool = False
    ) -> StoreChanged:
        """Replace the labels of a store. An unknown store and a dry run: as in `set_hours`."""
        chosen = dry_run_params(dry_run=dry_run)
        return self._change(store_id, "labels", dict(labels), create=create, **chosen)

    def set_name(
        self, store_id: str, name: str | None, *, create: bool = False, dry_run: bool = False
    ) -> StoreChanged:
        """Set the name of a store; None removes it. An unknown store and a dry run: as in `set_hours`."""
        chosen = dry_run_params(dry_run=dry_run)
        return self._change(store_id, "name", name, create=create, **chosen)

    def _change(self, store_id: str, field: str, value: Any, *, create: bool, **query: str) -> StoreChanged:
        params = query | creation(create=create)
        path = f"{store_path(store_id)}/{field}"
        return self._ingest.call(StoreChanged, "PUT", path, json={field: value}, params=params)


def store_path(store_id: str) -> str:
    """Return the path of a store, with its id percent-encoded."""
    return f"/v1/stores/{encode_segment(store_id)}"


def creation(*, create: bool) -> dict[str, str]:
    """Return the parameters of a call that may add its store."""
    return {"create": "true"} if create else {}


def _range_query(
    window: str | None, begin: datetime | None, end: datetime | None, as_of: datetime | None
) -> dict[str, Any]:
    query = {
        "window": window,
        "from": begin and begin.isoformat(),
        "to": end and end.isoformat(),
        "as_of": as_of and as_of.isoformat(),
    }
    return {name: value for name, value in query.items() if value is not None}
