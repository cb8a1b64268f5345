"""Calls for what changes the weekly hours: closures, special hours, lifetimes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Required, TypedDict, Unpack

from uptill_client.ingest_calls import IngestCalls, dry_run_params
from uptill_client.pages import iterate_pages
from uptill_client.paths import encode_segment
from uptill_client.store_answers import StoreChanged
from uptill_client.stores import creation, store_path

_PATH = "/v1/closures"


@dataclass(frozen=True)
class Closure:
    """A closure that holds, or was withdrawn (`withdrawn_at`). `store_id` is "*" for every store, and None if `labels` decide.

    `warnings`: what to check after it was declared. In a dry run, a new one has no `id`, and a change no `import_id`.
    """

    id: str | None
    store_id: str | None
    labels: Mapping[str, str] | None
    starts_at: datetime
    ends_at: datetime | None
    treatment: str
    reason: str
    note: str
    import_id: str | None
    declared_by: str | None
    declared_at: datetime
    changed_by: str | None
    changed_at: datetime
    withdrawn_by: str | None = None
    withdrawn_at: datetime | None = None
    warnings: Sequence[str] = ()


class ClosureTerms(TypedDict, total=False):
    """What a closure does: "exclude" (not asked about), "as_up" (counts as up) or "ignore" (only a note), and why."""

    starts_at: Required[datetime]
    ends_at: datetime | None
    treatment: Required[str]
    reason: str
    note: str


@dataclass(frozen=True)
class TimeRange:
    """An opening interval of a date in local time, such as `TimeRange("10:00", "14:00")`."""

    start_time_local: str
    end_time_local: str


@dataclass(frozen=True)
class SpecialDate:
    """A local date, such as "2024-12-25", with its intervals. Without intervals the store is closed."""

    date: str
    intervals: Sequence[TimeRange] = ()


@dataclass(frozen=True)
class SpecialHours:
    """All special dates of a store."""

    store_id: str
    dates: Sequence[SpecialDate]


@dataclass(frozen=True)
class Lifetime:
    """When a store exists. Each instant may be missing."""

    store_id: str
    opened_at: datetime | None
    closed_at: datetime | None


class ClosureCalls(IngestCalls):
    """Calls for closures, special hours and lifetimes. All go to the ingest service, and raise `ApiError` on failure."""

    def declare_closure(
        self,
        *,
        store_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        dry_run: bool = False,
        **terms: Unpack[ClosureTerms],
    ) -> Closure:
        """Declare a closure of a store ("*" for every store) or of all stores with the labels, in the future or the past.

        A dry run changes nothing.
        """
        ends_at = terms.get("ends_at")
        body = {
            **terms,
            "store_id": store_id,
            "labels": None if labels is None else dict(labels),
            "starts_at": terms["starts_at"].isoformat(),
            "ends_at": ends_at and ends_at.isoformat(),
        }
        return self._ingest.call(Closure, "POST", _PATH, json=body, params=dry_run_params(dry_run=dry_run))

    def closures(self, *, store_id: str | None = None, withdrawn: bool = False) -> Iterator[Closure]:
        """Yield the closures that hold, or those that were withdrawn, latest start first."""
        chosen = {"store_id": store_id} | ({"withdrawn": "true"} if withdrawn else {})
        return iterate_pages(self._ingest, Closure, _PATH, "closures", chosen)

    def get_closure(self, closure_id: str) -> Closure:
        """Return a closure that holds or was withdrawn. Raises `ApiError` with code `closure_not_found`."""
        return self._ingest.call(Closure, "GET", f"{_PATH}/{encode_segment(closure_id)}")

    def change_closure(self, closure_id: str, *, dry_run: bool = False, **changes: Any) -> Closure:
        """Change the given fields of `PATCH /v1/closures/{id}`, such as `ends_at="2024-10-18T23:00:00Z"`.

        A dry run changes nothing.
        """
        path, params = f"{_PATH}/{encode_segment(closure_id)}", dry_run_params(dry_run=dry_run)
        return self._ingest.call(Closure, "PATCH", path, json=changes, params=params)

    def withdraw_closure(self, closure_id: str, *, dry_run: bool = False) -> Closure | None:
        """Withdraw a closure. Reports that were made before keep their numbers.

        A dry run returns the closure that would be withdrawn, and changes nothing.
        """
        path, params = f"{_PATH}/{encode_segment(closure_id)}", dry_run_params(dry_run=dry_run)
        return self._ingest.call_or_none(Closure, "DELETE", path, params=params)

    def restore_closure(self, closure_id: str, *, dry_run: bool = False) -> Closure:
        """Declare a withdrawn closure again, with its last terms. A dry run changes nothing."""
        path, params = f"{_PATH}/{encode_segment(closure_id)}/restore", dry_run_params(dry_run=dry_run)
        return self._ingest.call(Closure, "POST", path, params=params)

    def get_special_hours(self, store_id: str) -> SpecialHours:
        """Return the special dates of a store."""
        return self._ingest.call(SpecialHours, "GET", f"{store_path(store_id)}/special-hours")

    def set_special_hours(
        self, store_id: str, dates: Sequence[SpecialDate], *, create: bool = False, dry_run: bool = False
    ) -> StoreChanged:
        """Replace all special dates of a store. An unknown store and a dry run: as in `set_hours`."""
        body = {"dates": [asdict(one) for one in dates]}
        path = f"{store_path(store_id)}/special-hours"
        params = creation(create=create) | dry_run_params(dry_run=dry_run)
        return self._ingest.call(StoreChanged, "PUT", path, json=body, params=params)

    def remove_special_hours(
        self, store_id: str, *, date: str | None = None, dry_run: bool = False
    ) -> StoreChanged:
        """Remove the special hours of one date, or of all dates. A dry run changes nothing."""
        chosen = {"date": date} if date is not None else {}
        chosen |= dry_run_params(dry_run=dry_run)
        return self._ingest.call(
            StoreChanged, "DELETE", f"{store_path(store_id)}/special-hours", params=chosen
        )

    def get_lifetime(self, store_id: str) -> Lifetime:
        """Return when a store exists."""
        return self._ingest.call(Lifetime, "GET", f"{store_path(store_id)}/lifetime")

    def set_lifetime(
        self,
        store_id: str,
        *,
        opened_at: datetime | None = None,
        closed_at: datetime | None = None,
        create: bool = False,
        dry_run: bool = False,
    ) -> StoreChanged:
        """Set when a store begins and ceases to exist. Without both it has always existed.

        An unknown store and a dry run: as in `set_hours`.
        """
        body = {
            "opened_at": opened_at and opened_at.isoformat(),
            "closed_at": closed_at and closed_at.isoformat(),
        }
        path = f"{store_path(store_id)}/lifetime"
        params = creation(create=create) | dry_run_params(dry_run=dry_run)
        return self._ingest.call(StoreChanged, "PUT", path, json=body, params=params)
