"""Request and answer bodies for calendars. Requests with unknown fields are refused."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field

from services.ingest.http.calendars import CalendarRow
from services.ingest.http.schemas_special_hours import SpecialDateBody
from shared.http.bodies import RequestBody
from shared.labels import MAX_LABELS, checked_labels
from shared.store_limits import MAX_SPECIAL_DATES


class CalendarChange(RequestBody):
    """Body of `PUT /v1/calendars/{name}`. It replaces the labels and all dates."""

    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] = Field(
        max_length=MAX_LABELS,
        description="The calendar is for all stores that have these labels; `{}`: for every store.",
        examples=[{"country": "us"}],
    )
    dates: list[SpecialDateBody] = Field(
        max_length=MAX_SPECIAL_DATES, description="All dates of the calendar."
    )


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
