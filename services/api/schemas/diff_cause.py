"""The answer body for why a store differs between two reports."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

CauseKind = Literal[
    "late_polls",
    "corrected_polls",
    "hours",
    "timezone",
    "labels",
    "special_hours",
    "calendar",
    "lifetime",
    "closure",
]


class CauseBody(BaseModel):
    """What changed of the store's data between the data cuts of the two reports, and who changed it."""

    kind: CauseKind
    subject: str | None = Field(
        description=(
            "The id of the closure, the name of the calendar, the date of special hours, or the date from which hours"
            " hold; null for everything else."
        )
    )
    import_id: UUID | None = Field(
        description="The import that made the last change; null once it is forgotten (`UPTILL_IMPORTS_KEEP_DAYS`)."
    )
    source: str | None = Field(
        description="The file, object or call of that import; null once it is forgotten, and for a key that is limited to some stores."
    )
    before: str | None = Field(
        description="For hours, special hours and the time zone: what held in the report `before`, in words; null for none.",
        examples=["Mon-Fri 09:00-17:00, Sat 10:00-14:00"],
    )
    after: str | None = Field(description="The same in the report `after`.")
    changed_by: str | None = Field(
        description="The prefix of the API key that made the changes; null for the command and for live polls."
    )
    changed_at: datetime | None = Field(description="When the last change was made.")
    changes: int = Field(description="How many changes this key made of this subject.", examples=[1])
    polls: int | None = Field(description="How many polls were late or corrected; null for other kinds.")
    first_poll_at: datetime | None
    last_poll_at: datetime | None
