"""Request and answer bodies for special hours, lifetimes and closures. Requests with unknown fields are refused."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.ingest.http.calendars import CalendarRow
from services.ingest.http.change_store import LocalDate
from services.ingest.http.closures import EVERY_STORE_ID, ClosureRow, WrittenTerms
from services.ingest.parse.adjustments import MAX_NOTE, MAX_REASON
from services.ingest.parse.dates import MAX_DATES, MAX_INTERVALS_A_DAY
from shared.http.bodies import RequestBody
from shared.labels import MAX_LABELS, checked_labels
from shared.store_ids import require_store_id

Treatment = Literal["exclude", "as_up", "ignore"]
_TREATMENT = "`exclude`: the time is left out of the open time. `as_up`: it counts as up. `ignore`: the closure is only a note."
_REASON = "`planned_maintenance`, `holiday`, `force_majeure`, `platform`, `other`, or a word of your own."
_INSTANT = "an instant with a UTC offset, such as `2024-10-14T18:00:00Z`"


class SpecialInterval(BaseModel):
    """One opening interval of a date in local time. If the end is not after the start, it ends on the next day."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start_time_local: str = Field(description="The local time at which the store opens.")
    end_time_local: str = Field(description="The local time at which the store closes.")


class SpecialDateBody(BaseModel):
    """A local date whose intervals replace the weekly ones that open on it."""

    model_config = ConfigDict(extra="forbid")

    date: str = Field(description="The local date.", examples=["2024-12-25"])
    intervals: list[SpecialInterval] = Field(
        default=[], max_length=MAX_INTERVALS_A_DAY, description="Empty: the store is closed."
    )

    @classmethod
    def of_stored(cls, day: str, seconds: list[int]) -> Self:
        """Build the answer for a date and its opening and closing seconds."""
        pairs = zip(seconds[::2], seconds[1::2], strict=True)
        return cls(
            date=day,
            intervals=[
                SpecialInterval(start_time_local=_format_time(opens), end_time_local=_format_time(closes))
                for opens, closes in pairs
            ],
        )

    def to_date(self) -> LocalDate:
        """Return the date as a value, not yet checked."""
        return LocalDate(self.date, [(one.start_time_local, one.end_time_local) for one in self.intervals])


class SpecialHoursChange(RequestBody):
    """Body of `PUT /v1/stores/{store_id}/special-hours`. Dates that are left out have their weekly hours again."""

    dates: list[SpecialDateBody] = Field(max_length=MAX_DATES, description="All special dates of the store.")


class SpecialHoursBody(BaseModel):
    """The special dates of a store."""

    store_id: str
    dates: list[SpecialDateBody] = Field(description="In order. Dates of calendars are not in it.")


class LifetimeChange(RequestBody):
    """Body of `PUT /v1/stores/{store_id}/lifetime`. Without both instants the store has always existed."""

    opened_at: str | None = Field(default=None, description=f"The first instant of the store: {_INSTANT}.")
    closed_at: str | None = Field(default=None, description=f"When it ceased to exist: {_INSTANT}.")


class LifetimeBody(BaseModel):
    """When a store exists. Nothing outside is open time."""

    store_id: str
    opened_at: datetime | None
    closed_at: datetime | None


class CalendarChange(RequestBody):
    """Body of `PUT /v1/calendars/{name}`. It replaces the labels and all dates."""

    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] = Field(
        max_length=MAX_LABELS,
        description="The calendar is for all stores that have these labels; `{}`: for every store.",
        examples=[{"country": "us"}],
    )
    dates: list[SpecialDateBody] = Field(max_length=MAX_DATES, description="All dates of the calendar.")


class CalendarSummary(BaseModel):
    """A calendar in a list."""

    name: str = Field(examples=["us-holidays"])
    labels: Mapping[str, str]
    date_count: int = Field(description="How many dates it has.", examples=[11])
    first_date: str | None = Field(description="Null if it has no dates.", examples=["2024-01-01"])
    last_date: str | None = Field(description="Null if it has no dates.", examples=["2024-12-25"])
    changed_by: str | None = Field(description="The prefix of the key; null for the command.")
    changed_at: datetime

    @classmethod
    def of_row(cls, row: CalendarRow, **more: Any) -> Self:
        """Build the answer for a calendar."""
        days = sorted(row.dates)
        return cls(
            name=row.name,
            labels=row.labels,
            date_count=len(days),
            first_date=days[0] if days else None,
            last_date=days[-1] if days else None,
            changed_by=row.changed_by,
            changed_at=row.changed_at,
            **more,
        )


class CalendarBody(CalendarSummary):
    """A calendar with its dates."""

    dates: list[SpecialDateBody]
    warnings: list[str] = Field(
        default=[],
        description="What to check after a change: labels that no store has, or events that were left out.",
    )

    @classmethod
    def with_dates(cls, row: CalendarRow, warnings: Sequence[str] = ()) -> Self:
        """Build the answer with all dates, in order."""
        dates = [SpecialDateBody.of_stored(day, list(row.dates[day])) for day in sorted(row.dates)]
        return cls.of_row(row, dates=dates, warnings=list(warnings))


class CalendarList(BaseModel):
    """All calendars by name, which is the order in which they decide."""

    calendars: list[CalendarSummary]


class ClosureCreate(RequestBody):
    """Body of `POST /v1/closures`. Give either `store_id` or `labels`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "store_id": "0042",
                    "starts_at": "2024-10-18T21:00:00Z",
                    "ends_at": "2024-10-18T23:30:00Z",
                    "treatment": "exclude",
                    "reason": "force_majeure",
                    "note": "The city closed the street.",
                }
            ]
        }
    )

    store_id: str | None = Field(default=None, description="The store; `*` stands for every store.")
    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_LABELS,
        description="The closure is for all stores that have these labels, now or later.",
    )
    starts_at: str = Field(description=f"When it begins: {_INSTANT}.")
    ends_at: str | None = Field(
        default=None, description=f"When it ends: {_INSTANT}. Null: it has no end yet."
    )
    treatment: Treatment = Field(description=_TREATMENT)
    reason: str = Field(default="other", max_length=MAX_REASON, description=_REASON)
    note: str = Field(default="", max_length=MAX_NOTE, description="A text for people.")

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if (self.store_id is None) == (self.labels is None):
            raise ValueError("give either store_id or labels: the stores that were closed")
        return self

    @property
    def target(self) -> tuple[str, Mapping[str, str] | None]:
        """Return the store id and the labels. If there are labels, they decide. Raise `InvalidRequest`."""
        if self.store_id is None:
            return EVERY_STORE_ID, self.labels
        # The store must exist, so its id has passed the stricter rule for new ones.
        return require_store_id(self.store_id, allow_odd=True), None

    def to_terms(self) -> WrittenTerms:
        """Return the terms, not yet checked."""
        return WrittenTerms(self.starts_at, self.ends_at, self.treatment, self.reason, self.note)


class ClosureChange(RequestBody):
    """Body of `PATCH /v1/closures/{closure_id}`. Missing fields stay. `ends_at` null: the closure has no end."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ends_at": "2024-10-18T23:00:00Z"}]})

    starts_at: str | None = Field(default=None, description=f"When it begins: {_INSTANT}.")
    ends_at: str | None = Field(default=None, description=f"When it ends: {_INSTANT}.")
    treatment: Treatment | None = Field(default=None, description=_TREATMENT)
    reason: str | None = Field(default=None, max_length=MAX_REASON, description=_REASON)
    note: str | None = Field(default=None, max_length=MAX_NOTE, description="A text for people.")

    def list_changes(self) -> dict[str, str | None]:
        """Return only the terms that the request changes."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in given.items() if value is not None or name == "ends_at"}


class ClosureQuery(BaseModel):
    """Filter and position in the list of closures."""

    model_config = ConfigDict(extra="forbid")

    store_id: str | None = Field(default=None, description="Only closures that name this store.")
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most closures to return.")


class ClosureBody(BaseModel):
    """A closure that holds."""

    id: UUID
    store_id: str | None = Field(
        description="The store; `*` stands for every store; null if `labels` decide."
    )
    labels: Mapping[str, str] | None = Field(description="The stores' labels; null if `store_id` decides.")
    starts_at: datetime
    ends_at: datetime | None = Field(description="Null: it has no end yet.")
    treatment: Treatment
    reason: str = Field(description=_REASON, examples=["force_majeure"])
    note: str
    import_id: UUID = Field(description="The import that records the last change.")
    declared_by: str | None = Field(description="The prefix of the key; null for the command.")
    declared_at: datetime
    changed_by: str | None = Field(description="Who made the last change, as `declared_by`.")
    changed_at: datetime
    warnings: list[str] = Field(
        default=[],
        description="What to check when it is declared: labels that no store has, or a missing end.",
    )

    @classmethod
    def of_row(cls, row: ClosureRow) -> Self:
        """Build the answer for a closure."""
        fields: dict[str, Any] = vars(row)
        store_id = EVERY_STORE_ID if row.store_id is None and not row.labels else row.store_id
        return cls(**{**fields, "store_id": store_id, "labels": row.labels or None})


class ClosurePage(BaseModel):
    """A page of closures, latest start first."""

    closures: list[ClosureBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


def _format_time(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
