"""The answer body for one outage."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from services.api.use_cases.outage_page import (
    ListedOutage,
)
from shared.uptime.outage_reasons import MOST_REASONS
from shared.uptime.zones import DEFAULT_TIMEZONE


class OutageBody(BaseModel):
    """A run of downtime that no uptime and no unknown time interrupts, and the polls that bound it."""

    store_id: str
    timezone: str = Field(description="The IANA time zone of the store.")
    started_at: datetime = Field(
        description=(
            "Where the downtime begins in the window. With most policies a point between two polls: the outage began between"
            " `last_up_poll_at` and `first_down_poll_at`."
        )
    )
    ended_at: datetime | None = Field(
        description=(
            "Where the downtime ends: between `last_down_poll_at` and `first_up_poll_at`. Null while the outage is ongoing."
        ),
        examples=["2024-10-14T18:00:00Z"],
    )
    end: Literal["up", "unknown", "ongoing"] = Field(
        description="What follows: uptime, time that no poll covers, or nothing up to `as_of`.",
        examples=["up"],
    )
    down_us: int = Field(
        description="Downtime in the window, in microseconds. Time while closed does not count."
    )
    polls: int = Field(description="The inactive polls in it.")
    last_up_poll_at: datetime | None = Field(
        description="The poll behind the uptime just before; null if unknown time or the window's start precedes it."
    )
    first_down_poll_at: datetime | None = Field(description="The first inactive poll; null if there is none.")
    last_down_poll_at: datetime | None = Field(description="The last inactive poll; null if there is none.")
    first_up_poll_at: datetime | None = Field(
        description="The poll behind the uptime just after; null if unknown time or `as_of` follows."
    )
    began_at_opening: bool = Field(description="Whether it begins where opening time begins: a late opening.")
    starts_before_window: bool = Field(description="Whether the store was already down before the window.")

    reasons: list[str] = Field(
        description=f"The reasons that its polls gave, as they first appear, at most {MOST_REASONS}.",
        examples=[["paused_by_store"]],
    )

    @classmethod
    def of_outage(cls, outage: ListedOutage) -> Self:
        """Build the answer for one outage."""
        return cls.model_validate({**vars(outage), "timezone": outage.timezone or DEFAULT_TIMEZONE})
