"""Query and answer bodies for the stores of a report that could not be computed."""

from pydantic import BaseModel, ConfigDict, Field


class FailedStoreBody(BaseModel):
    """A store that could not be computed, and why."""

    store_id: str
    reason: str = Field(
        description="`unknown_timezone`, `invalid_hours`, or `not_computed` for any other error.",
        examples=["unknown_timezone"],
    )
    detail: str = Field(description="What is wrong, and what to do.")


class FailedStoreQuery(BaseModel):
    """Position in the list of failed stores."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most stores to return.")


class FailedStorePage(BaseModel):
    """A page of failed stores, by id."""

    failed_stores: list[FailedStoreBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
