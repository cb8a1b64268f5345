"""Request body that changes a closure. Unknown fields are refused."""

from pydantic import ConfigDict, Field

from services.ingest.http.schemas_closure_terms import INSTANT_HELP, REASON_HELP, TREATMENT_HELP, Treatment
from services.ingest.parse.adjustments import MAX_NOTE, MAX_REASON
from shared.http.bodies import RequestBody


class ClosureChange(RequestBody):
    """Body of `PATCH /v1/closures/{closure_id}`. Missing fields stay. `ends_at` null: the closure has no end."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ends_at": "2024-10-18T23:00:00Z"}]})

    starts_at: str | None = Field(default=None, description=f"When it begins: {INSTANT_HELP}.")
    ends_at: str | None = Field(default=None, description=f"When it ends: {INSTANT_HELP}.")
    treatment: Treatment | None = Field(default=None, description=TREATMENT_HELP)
    reason: str | None = Field(default=None, max_length=MAX_REASON, description=REASON_HELP)
    note: str | None = Field(default=None, max_length=MAX_NOTE, description="A text for people.")

    def list_changes(self) -> dict[str, str | None]:
        """Return only the terms that the request changes."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in given.items() if value is not None or name == "ends_at"}
