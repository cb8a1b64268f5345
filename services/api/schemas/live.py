"""Bodies of live state."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from services.api.schemas.stores import Status
from services.api.use_cases.live import LiveChange, LiveCounts, LiveStore
from shared.labels import shown_labels
from shared.uptime.live import LiveState
from shared.uptime.zones import DEFAULT_TIMEZONE


class StoreNowBody(BaseModel):
    """What a store is now. Its times hold at `refreshed_at`."""

    store_id: str
    name: str | None = Field(description="The name to show; null if none was delivered.")
    timezone: str = Field(description="The IANA time zone of the store.")
    labels: Mapping[str, str]
    state: LiveState = Field(examples=["down"])
    since_earliest: datetime | None = Field(
        description="The state began after this instant; null: not known, or out of view. Equal to `since_latest` if it is exact."
    )
    since_latest: datetime | None = Field(
        description="The state began at this instant at the latest; null: not known, or out of view, as for a silence of more than eight days."
    )
    last_polled_at: datetime | None = Field(description="The newest poll; null if there is none.")
    last_status: Status | None = Field(description="The status of the newest poll.")
    open_from: datetime | None = Field(
        description="When the store opened or a closure ended; null if it is not open, or for more than eight days."
    )
    open_until: datetime | None = Field(
        description="When the store closes or a closure begins; null if it is not open, or for more than eight days."
    )
    opens_at: datetime | None = Field(
        description="When the store opens again; null if it is open, or does not open within eight days."
    )
    day_from: datetime = Field(description="Local midnight, from which `up_us` and `down_us` count.")
    up_us: int = Field(description="Microseconds up today, by the policy `classic`.")
    down_us: int = Field(description="Microseconds down today.")
    down_open_us: int = Field(
        description="Microseconds of open time since the first of the inactive polls; 0 unless the state is `down`."
    )
    inactive_polls: int = Field(
        description="How many inactive polls in opening hours there were without an active one in between, up to the last."
    )
    usual_gap_us: int | None = Field(
        description="The usual time between two polls in opening hours; null if there are too few polls."
    )
    fault: str | None = Field(description="Why the store cannot be computed; its state is then `unknown`.")
    refreshed_at: datetime

    @classmethod
    def of_store(cls, store: LiveStore) -> Self:
        """Build the body of a store."""
        same = set(cls.model_fields) - {"timezone", "labels", "last_polled_at", "last_status"}
        status: Mapping[bool | None, Status | None] = {None: None, True: "active", False: "inactive"}
        return cls(
            **{name: getattr(store, name) for name in same},
            timezone=store.timezone or DEFAULT_TIMEZONE,
            labels=shown_labels(store.labels),
            last_polled_at=store.last_poll_at,
            last_status=status[store.last_poll_active],
        )


class StoreNowPage(BaseModel):
    """A page of stores."""

    stores: list[StoreNowBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


class StateCounts(BaseModel):
    """How many stores are in each state."""

    up: int = 0
    down: int = 0
    unknown: int = 0
    silent: int = 0
    closed: int = 0
    excluded: int = 0
    ended: int = 0


class LabelValueNow(BaseModel):
    """The stores with one value of the label."""

    value: str
    states: StateCounts


class NowSummaryBody(BaseModel):
    """How many stores are in each state."""

    refreshed_at: datetime | None = Field(
        description="The oldest refresh of any part; null before the first one, or if live state is off."
    )
    lag_s: float | None = Field(description="Seconds since then.")
    states: StateCounts
    by: str | None = Field(description="The label that `values` counts.")
    values: list[LabelValueNow] = Field(
        description="Of up to 1,000 values, those with the most stores first."
    )
    more: bool = Field(description="Whether the label has more values.")

    @classmethod
    def of_counts(cls, counts: LiveCounts, by: str | None) -> Self:
        """Build the body."""
        return cls(
            refreshed_at=counts.refresh.refreshed_at,
            lag_s=counts.refresh.lag_s,
            states=StateCounts(**counts.every),
            by=by,
            values=[
                LabelValueNow(value=value, states=StateCounts(**states))
                for value, states in counts.values.items()
            ],
            more=counts.more,
        )


class NowEvent(BaseModel):
    """The data of one event: a store that changed its state. The event's id goes into `Last-Event-ID`."""

    store_id: str
    was: LiveState
    state: LiveState
    since_earliest: datetime | None
    since_latest: datetime | None
    at: datetime = Field(description="The refresh that found the change.")

    @classmethod
    def of_change(cls, change: LiveChange) -> Self:
        """Build the data of an event."""
        return cls(**{name: getattr(change, name) for name in cls.model_fields})
