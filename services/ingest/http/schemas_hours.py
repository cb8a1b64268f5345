"""Request body for the weekly hours of one store. Unknown fields are refused."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from shared.store_limits import MAX_INTERVALS_A_WEEK


class IntervalBody(BaseModel):
    """One opening interval in local time. If the end is not after the start, it ends on the next day."""

    model_config = ConfigDict(extra="forbid", strict=True)

    day_of_week: Annotated[
        str,
        BeforeValidator(lambda given: str(given) if type(given) is int else given),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 6}, {"type": "string"}]}),
    ] = Field(
        description="0 (Monday) to 6 (Sunday), or an English name such as `Monday` or `Mon`.", examples=[0]
    )
    start_time_local: str = Field(
        description="The local time at which the store opens, in any form that files may have.",
        examples=["09:00"],
    )
    end_time_local: str = Field(
        description="The local time at which the store closes; `24:00` is midnight.", examples=["17:30"]
    )


class HoursChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/hours`. With an empty list and no dated hours, the store is open around the clock."""

    model_config = ConfigDict(extra="forbid")

    hours: list[IntervalBody] = Field(
        max_length=MAX_INTERVALS_A_WEEK,
        description="All opening intervals of the week; they replace the stored ones.",
    )
