"""Request and answer bodies for special hours. Requests with unknown fields are refused."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.http.special_dates import LocalDate
from shared.http.bodies import RequestBody
from shared.store_limits import MAX_INTERVALS_A_DAY, MAX_SPECIAL_DATES


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

    dates: list[SpecialDateBody] = Field(
        max_length=MAX_SPECIAL_DATES, description="All special dates of the store."
    )


class SpecialHoursBody(BaseModel):
    """The special dates of a store."""

    store_id: str
    dates: list[SpecialDateBody] = Field(description="In order. Dates of calendars are not in it.")


def _format_time(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
