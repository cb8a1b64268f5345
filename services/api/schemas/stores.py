"""Request and answer bodies for stores. Requests with unknown fields are refused."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.api.use_cases.stores import StoreRow, StoreWithHours
from shared.labels import parse_labels, shown_labels
from shared.uptime.zones import DEFAULT_TIMEZONE

Status = Literal["active", "inactive"]


def known_labels(texts: list[str]) -> list[str]:
    """Check labels of a query. Raises ValueError for an invalid one."""
    parse_labels(texts, separator=":")
    return texts


def _status_name(active: bool | None) -> Status | None:  # noqa: FBT001
    return None if active is None else "active" if active else "inactive"


class StoreQuery(BaseModel):
    """Filter and position in the list of stores."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[list[str], AfterValidator(known_labels)] = Field(
        default=[],
        description="A label as `NAME:VALUE`. Repeat it to list stores that have all of the labels.",
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most stores to return.")


class StoreBody(BaseModel):
    """A store with its latest poll."""

    store_id: str
    name: str | None = Field(description="The name to show; null if none was delivered.")
    timezone: str = Field(description="The IANA time zone that its hours are in.")
    timezone_is_default: bool = Field(
        description="Whether no time zone was imported, so that the default applies."
    )
    labels: Mapping[str, str]
    first_polled_at: datetime | None = Field(description="The oldest accepted poll; null if there is none.")
    last_polled_at: datetime | None = Field(description="The newest accepted poll; null if there is none.")
    last_status: Status | None = Field(description="The status of the newest accepted poll.")

    @classmethod
    def of_store(cls, store: StoreRow) -> Self:
        """Build the answer for a store."""
        return cls(**_store_fields(store))


class StorePage(BaseModel):
    """A page of stores, ordered by id."""

    stores: list[StoreBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


class OpenInterval(BaseModel):
    """One opening interval in local time. If the end is not after the start, it ends on the next day."""

    day_of_week: int = Field(description="0 is Monday, 6 is Sunday.")
    start_time_local: str
    end_time_local: str


class StoreDetailBody(StoreBody):
    """A store with its opening hours."""

    hours: list[OpenInterval] = Field(description="Empty if the store is open around the clock.")
    is_open_24x7: bool
    polls_last_day: int = Field(
        description="Polls of this store in the 24 hours before the newest poll of any store."
    )

    @classmethod
    def with_hours(cls, detail: StoreWithHours) -> Self:
        """Build the answer for a store with its hours."""
        return cls(
            **_store_fields(detail.store),
            hours=[
                OpenInterval(
                    day_of_week=day, start_time_local=_format_time(opens), end_time_local=_format_time(closes)
                )
                for day, opens, closes in detail.hours
            ],
            is_open_24x7=not detail.hours,
            polls_last_day=detail.polls_last_day,
        )


def _store_fields(store: StoreRow) -> dict[str, object]:
    return {
        "store_id": store.store_id,
        "name": store.name,
        "timezone": store.timezone or DEFAULT_TIMEZONE,
        "timezone_is_default": store.timezone is None,
        "labels": shown_labels(store.labels),
        "first_polled_at": store.first_polled_at,
        "last_polled_at": store.last_polled_at,
        "last_status": _status_name(store.is_active),
    }


def _format_time(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
