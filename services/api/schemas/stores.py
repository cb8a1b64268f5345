"""Request and answer bodies for stores. Requests with unknown fields are refused."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.api.use_cases.store_detail import StoreWithHours
from services.api.use_cases.store_makers import LastChange
from services.api.use_cases.stores import StoreRow
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


class DatedHoursBody(BaseModel):
    """The weekly hours of a store from a local date on, until its next date."""

    effective_from: date
    hours: list[OpenInterval] = Field(description="Empty if the store is open around the clock.")
    applies_today: bool = Field(
        description="Whether these hours apply on the local date of today. Before its first date, a store without other"
        " hours has those of its first date."
    )


class ChangeMakerBody(BaseModel):
    """The last change of the hours or the time zone of a store."""

    import_id: UUID | None = Field(
        description="The import that recorded it; null for a key that is limited to some stores."
    )
    source: str | None = Field(
        description="The file, object or call of that import; null once it is forgotten (`UPTILL_IMPORTS_KEEP_DAYS`)."
    )
    changed_by: str | None = Field(description="The prefix of the key; null for the command.")
    changed_at: datetime


class StoreDetailBody(StoreBody):
    """A store with its opening hours."""

    hours: list[OpenInterval] = Field(
        description="The weekly hours without a date; empty if there are none. They apply today unless some `dated_hours` do."
    )
    dated_hours: list[DatedHoursBody] = Field(description="The weekly hours from a date on, by date.")
    is_open_24x7: bool = Field(
        description="Whether reports count the store as open around the clock now, apart from closures: no weekly hours apply"
        " today, nor do special hours, and its lifetime has begun and not ended."
    )
    polls_last_day: int = Field(
        description="Polls of this store in the 24 hours before the newest poll of any store."
    )
    hours_set: ChangeMakerBody | None = Field(
        description="Who last changed its weekly hours, with or without a date; null if that is not known."
    )
    timezone_set: ChangeMakerBody | None = Field(
        description="Who last changed its time zone; null if that is not known."
    )

    @classmethod
    def with_hours(cls, detail: StoreWithHours, makers: Mapping[str, LastChange]) -> Self:
        """Build the answer for a store with its hours, and who set them."""
        return cls(
            **_store_fields(detail.store),
            hours=[
                row for each in detail.versions if not each.effective_from for row in _intervals(each.rows)
            ],
            dated_hours=[
                DatedHoursBody(
                    effective_from=each.effective_from,
                    hours=_intervals(each.rows),
                    applies_today=each is detail.applies,
                )
                for each in detail.versions
                if each.effective_from
            ],
            is_open_24x7=detail.is_open_24x7,
            polls_last_day=detail.polls_last_day,
            hours_set=_maker_fields(makers, "hours"),
            timezone_set=_maker_fields(makers, "timezone"),
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


def _intervals(rows: Sequence[tuple[int, int, int]]) -> list[OpenInterval]:
    return [
        OpenInterval(
            day_of_week=day, start_time_local=_format_time(opens), end_time_local=_format_time(closes)
        )
        for day, opens, closes in rows
    ]


def _maker_fields(makers: Mapping[str, LastChange], what: str) -> ChangeMakerBody | None:
    maker = makers.get(what)
    return None if maker is None else ChangeMakerBody.model_validate(vars(maker))


def _format_time(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
