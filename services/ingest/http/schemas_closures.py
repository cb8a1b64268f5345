"""Answer bodies for closures, and the filter of their list."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.http.closure_reads import ClosureRow
from services.ingest.http.closures import EVERY_STORE_ID
from services.ingest.http.schemas_closure_terms import REASON_HELP, Treatment


class ClosureQuery(BaseModel):
    """Filter and position in the list of closures."""

    model_config = ConfigDict(extra="forbid")

    store_id: str | None = Field(default=None, description="Only closures that name this store.")
    withdrawn: bool = Field(
        default=False, description="List withdrawn closures instead, each with its last terms."
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most closures to return.")


class ClosureBody(BaseModel):
    """A closure that holds, or that was withdrawn."""

    id: UUID | None = Field(description="Null in a dry run of a new closure.")
    store_id: str | None = Field(
        description="The store; `*` stands for every store; null if `labels` decide."
    )
    labels: Mapping[str, str] | None = Field(description="The stores' labels; null if `store_id` decides.")
    starts_at: datetime
    ends_at: datetime | None = Field(description="Null: it has no end yet.")
    treatment: Treatment
    reason: str = Field(description=REASON_HELP, examples=["force_majeure"])
    note: str
    import_id: UUID | None = Field(
        description="The import that records the last change; null in a dry run that would change it."
    )
    declared_by: str | None = Field(description="The prefix of the key; null for the command.")
    declared_at: datetime
    changed_by: str | None = Field(description="Who made the last change, as `declared_by`.")
    changed_at: datetime
    withdrawn_by: str | None = Field(description="Who withdrew it, as `declared_by`; null while it holds.")
    withdrawn_at: datetime | None = Field(description="Null while it holds.")
    warnings: list[str] = Field(
        default=[],
        description="What to check when it is declared: labels that no store has, or a missing end.",
    )

    @classmethod
    def of_row(cls, row: ClosureRow) -> Self:
        """Build the answer for a closure."""
        fields: dict[str, Any] = vars(row)
        store_id = EVERY_STORE_ID if row.store_id is None and not row.labels else row.store_id
        return cls(**{**fields, "store_id": store_id, "labels": row.labels or None})


class ClosurePage(BaseModel):
    """A page of closures, latest start first."""

    closures: list[ClosureBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
