"""Answer bodies for where polls and opening hours came from."""

from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.api.schemas.stores import Status
from services.api.use_cases.explained_store import PollOrigin
from shared.clock import from_us
from shared.uptime.store_terms import HoursKind, HoursSource


class PollOriginBody(BaseModel):
    """A poll, and the import that brought it. What is not known, or not visible to the key, is null."""

    at: datetime
    status: Status
    import_id: UUID | None
    source: str | None = Field(description="The file, object or call that the import loaded.")
    first_line: int | None = Field(
        description="The first line of the part of the file that held the poll; null unless it came from a file."
    )
    last_line: int | None = Field(description="The last line of that part.")
    event: bool = Field(
        description="Whether the poll is an event: the change of state itself, at the instant at which it happened."
    )
    reason: str | None = Field(description="Why the store had the status, if the poll gave a reason.")

    @classmethod
    def of_poll(cls, poll: PollOrigin, *, limited: bool) -> Self:
        """Build the answer for a poll. A key that is limited to some stores sees no imports: they hold other stores."""
        names = ("import_id", "source", "first_line", "last_line")
        return cls(
            at=from_us(poll.at_us),
            status="active" if poll.is_active else "inactive",
            event=poll.is_event,
            reason=poll.reason,
            **{name: None if limited else getattr(poll, name) for name in names},
        )


class HoursSourceBody(BaseModel):
    """The hours behind a stretch of time."""

    kind: HoursKind = Field(
        description="`always`: none, so open around the clock; `weekly` or `dated` hours; `special` hours of a date; a `calendar`."
    )
    effective_from: date | None = Field(description="From which local date dated hours apply.")
    date_: date | None = Field(alias="date", description="The local date of special hours or of a calendar.")
    calendar: str | None = Field(description="The name of the calendar.")

    @classmethod
    def of_source(cls, source: HoursSource) -> Self:
        """Build the answer for hours."""
        return cls(
            kind=source.kind,
            effective_from=source.effective_from,
            date=source.day,
            calendar=source.calendar,
        )
