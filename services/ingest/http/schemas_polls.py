"""Request body of live polls. Requests with unknown fields are refused."""

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from services.ingest.http.live_polls import MAX_POLLS


class Observation(BaseModel):
    """One poll. `observed_at` may also be named `timestamp_utc`, and accepts every format that files accept."""

    model_config = ConfigDict(extra="forbid", strict=True)

    store_id: str = Field(description="The store's id. An unknown store is added.")
    status: str = Field(
        description="`active`, `inactive`, or a word that `UPTILL_STATUS_WORDS` of the service maps to one of them.",
        examples=["active"],
    )
    observed_at: str = Field(
        validation_alias=AliasChoices("observed_at", "timestamp_utc"),
        description="When the store was polled: an instant with a UTC offset, such as `2024-10-14T18:00:00Z`.",
    )


class ObservationsCreate(BaseModel):
    """Body of `POST /v1/observations`."""

    model_config = ConfigDict(extra="forbid")

    observations: list[Observation] = Field(
        min_length=1, max_length=MAX_POLLS, description="The polls, in any order."
    )
