"""Request bodies for the time zone, name and labels of one store, and the answer to a change. Unknown fields are refused."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.ingest.http.schemas_counts import CountsBody
from shared.labels import MAX_LABELS, checked_labels
from shared.store_names import MAX_STORE_NAME


class TimezoneChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/timezone`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    timezone: str = Field(description="An IANA time zone, such as `America/Chicago`.")


class LabelsChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/labels`. Labels that are left out are removed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] = Field(
        max_length=MAX_LABELS,
        description="All labels of the store, by name.",
        examples=[{"region": "north", "owner": "Acme"}],
    )


class NameChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/name`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = Field(
        description=f"The name to show: 1 to {MAX_STORE_NAME} printable characters. Null removes it.",
        examples=["Main Street 12"],
    )


class StoreChangedBody(BaseModel):
    """The result of changing one store."""

    store_id: str
    import_id: UUID | None = Field(
        description="The import that records the change. Null: it was a dry run, and nothing was changed."
    )
    counts: CountsBody
    warnings: list[str] = Field(
        default=[],
        description="What to check: a zone that never changes its clocks, a Windows name that was read, days numbered"
        " from 1 to 5, an opening of more than 16 hours across midnight, and what the diagnostics find in the store's"
        " hours, dates and lifetime.",
    )
