"""Parts of an import in answers: its state, its kind and its progress."""

from typing import Literal

from pydantic import BaseModel, Field

ImportKind = Literal[
    "polls",
    "hours",
    "timezones",
    "labels",
    "special_hours",
    "lifetimes",
    "closures",
    "calendars",
    "stores",
    "archive",
]
ImportState = Literal["queued", "running", "succeeded", "stopped", "failed", "canceled"]


class ImportProgressBody(BaseModel):
    """How much of the file has been read."""

    bytes_done: int
    bytes_total: int | None = Field(
        description="Null if unknown: for gzip, for archives, and before the import runs."
    )
