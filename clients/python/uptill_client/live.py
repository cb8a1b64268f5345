"""Calls for live state, and their answers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from uptill_client.pages import iterate_pages
from uptill_client.stores import store_path
from uptill_client.transport import Transport


@dataclass(frozen=True)
class StoreNow:
    """What a store is now: "up", "down", "unknown", "silent", "closed", "excluded" or "ended".

    The state began after `since_earliest` and at `since_latest` at the latest. Times hold at `refreshed_at`.
    """

    store_id: str
    timezone: str
    labels: Mapping[str, str]
    state: str
    since_earliest: datetime | None
    since_latest: datetime | None
    last_polled_at: datetime | None
    last_status: str | None
    open_from: datetime | None
    open_until: datetime | None
    opens_at: datetime | None
    day_from: datetime
    up_us: int
    down_us: int
    down_open_us: int
    inactive_polls: int
    usual_gap_us: int | None
    fault: str | None
    refreshed_at: datetime
    name: str | None = None


@dataclass(frozen=True)
class StateCount:
    """Stores by state, of those with one value of a label."""

    value: str
    states: Mapping[str, int]


@dataclass(frozen=True)
class NowSummary:
    """Stores by state. `refreshed_at` is the oldest refresh of any part, `lag_s` the seconds since then."""

    refreshed_at: datetime | None
    lag_s: float | None
    states: Mapping[str, int]
    by: str | None
    values: Sequence[StateCount]
    more: bool


@dataclass(frozen=True)
class StateChange:
    """A store that went from one state to another. `id` goes into `now_changes(after_id=)`."""

    id: int
    store_id: str
    was: str
    state: str
    since_earliest: datetime | None
    since_latest: datetime | None
    at: datetime


class NowCalls:
    """Calls for live state. Each call raises `ApiError` on failure."""

    _api: Transport

    def now(
        self,
        *,
        states: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        text: str | None = None,
        sort: str | None = None,
    ) -> Iterator[StoreNow]:
        """Yield what stores are now: every store, or those in the states, with all labels, with the text in their id."""
        query = {**_choice(states, labels), "text": text, "sort": sort}
        return iterate_pages(self._api, StoreNow, "/v1/now", "stores", query)

    def now_summary(self, *, labels: Mapping[str, str] | None = None, by: str | None = None) -> NowSummary:
        """Count stores by state, and if `by` names a label, for each of its values."""
        query = {**_choice(None, labels), "by": by}
        given = {name: value for name, value in query.items() if value is not None}
        return self._api.call(NowSummary, "GET", "/v1/now/summary", params=given)

    def store_now(self, store_id: str) -> StoreNow:
        """Return what one store is now. Raises `ApiError` with code `store_not_found`."""
        return self._api.call(StoreNow, "GET", f"{store_path(store_id)}/now")

    def now_changes(
        self,
        *,
        states: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        after_id: int | None = None,
    ) -> Iterator[StateChange]:
        """Yield changes as they are found, until the service closes the stream. `after_id`: go on after this change.

        If changes after `after_id` are gone, the stream begins with the newest: read `now()` first.
        """
        headers = {} if after_id is None else {"Last-Event-ID": str(after_id)}
        params = {name: value for name, value in _choice(states, labels).items() if value is not None}
        with self._api.stream("/v1/now/events", headers=headers, params=params) as blocks:
            for event in _events(blocks):
                if event.get("event") == "change":
                    values = {**json.loads(event["data"]), "id": int(event["id"])}
                    yield TypeAdapter(StateChange).validate_python(values)


def _choice(states: Sequence[str] | None, labels: Mapping[str, str] | None) -> dict[str, Any]:
    chosen = [f"{name}:{value}" for name, value in (labels or {}).items()]
    return {"state": list(states) if states else None, "label": chosen or None}


def _events(blocks: Iterator[bytes]) -> Iterator[dict[str, str]]:
    """Yield the fields of each server-sent event. Comments are skipped."""
    rest, event = b"", dict[str, str]()
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            name, _, value = line.decode().rstrip("\r").partition(":")
            if name:
                event[name] = value.removeprefix(" ")
            elif event and not value:
                yield event
                event = {}
