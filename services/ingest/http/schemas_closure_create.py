"""Request body that declares a closure. Unknown fields are refused."""

from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from services.ingest.http.closures import EVERY_STORE_ID, Target, WrittenTerms
from services.ingest.http.schemas_closure_terms import INSTANT_HELP, REASON_HELP, TREATMENT_HELP, Treatment
from services.ingest.parse.adjustments import MAX_NOTE, MAX_REASON
from shared.http.bodies import RequestBody
from shared.labels import MAX_LABELS, checked_labels
from shared.store_ids import require_store_id


class ClosureCreate(RequestBody):
    """Body of `POST /v1/closures`. Give either `store_id` or `labels`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "store_id": "0042",
                    "starts_at": "2024-10-18T21:00:00Z",
                    "ends_at": "2024-10-18T23:30:00Z",
                    "treatment": "exclude",
                    "reason": "force_majeure",
                    "note": "The city closed the street.",
                }
            ]
        }
    )

    store_id: str | None = Field(default=None, description="The store; `*` stands for every store.")
    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_LABELS,
        description="The closure is for all stores that have these labels, now or later.",
    )
    starts_at: str = Field(description=f"When it begins: {INSTANT_HELP}.")
    ends_at: str | None = Field(
        default=None, description=f"When it ends: {INSTANT_HELP}. Null: it has no end yet."
    )
    treatment: Treatment = Field(description=TREATMENT_HELP)
    reason: str = Field(default="other", max_length=MAX_REASON, description=REASON_HELP)
    note: str = Field(default="", max_length=MAX_NOTE, description="A text for people.")

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if (self.store_id is None) == (self.labels is None):
            raise ValueError("give either store_id or labels: the stores that were closed")
        return self

    @property
    def target(self) -> Target:
        """Return the stores. If there are labels, they decide. Raise `InvalidRequest`."""
        if self.store_id is None:
            return Target(EVERY_STORE_ID, self.labels)
        # The store must exist, so its id has passed the stricter rule for new ones.
        return Target(require_store_id(self.store_id, allow_odd=True))

    def to_terms(self) -> WrittenTerms:
        """Return the terms, not yet checked."""
        return WrittenTerms(self.starts_at, self.ends_at, self.treatment, self.reason, self.note)
