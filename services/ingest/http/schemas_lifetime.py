"""Request and answer bodies for lifetimes. Requests with unknown fields are refused."""

from datetime import datetime

from pydantic import BaseModel, Field

from shared.http.bodies import RequestBody

_INSTANT = "an instant with a UTC offset, such as `2024-10-14T18:00:00Z`"


class LifetimeChange(RequestBody):
    """Body of `PUT /v1/stores/{store_id}/lifetime`. Without both instants the store has always existed."""

    opened_at: str | None = Field(default=None, description=f"The first instant of the store: {_INSTANT}.")
    closed_at: str | None = Field(default=None, description=f"When it ceased to exist: {_INSTANT}.")


class LifetimeBody(BaseModel):
    """When a store exists. Nothing outside is open time."""

    store_id: str
    opened_at: datetime | None
    closed_at: datetime | None
