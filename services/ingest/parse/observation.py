"""One poll as JSON: in the body of a call, or as the value of a message. Unknown fields are refused."""

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


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
    event: bool = Field(
        default=False,
        description="True if this is not a look but the change of state itself, at the instant at which it happened.",
    )
    reason: str | None = Field(
        default=None, description="A word of the registry of reasons, such as `paused_by_store`."
    )
    until: str | None = Field(
        default=None,
        description="Only for an event: when its state ended. It counts as a second event, with the other status.",
    )

    @property
    def says_more(self) -> bool:
        """Whether the poll says anything besides a status."""
        return self.event or self.reason is not None or self.until is not None
