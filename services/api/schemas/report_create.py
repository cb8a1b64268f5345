"""Request bodies that make reports. Unknown fields are refused."""

from pydantic import ConfigDict, Field

from services.api.schemas.parameters import AsOf, ReportParametersBody
from shared.http.bodies import RequestBody
from shared.reports.parameters import ReportRequest
from shared.reports.revise import Cut
from shared.webhooks.address import MAX_URL


class ReportCreate(ReportParametersBody):
    """Body of `POST /v1/reports`. Every field has a default."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"windows": ["last_day", "P30D"], "formats": ["xlsx"]}]}
    )

    as_of: AsOf = Field(
        default="latest",
        description="The end of every window: an instant, `latest` (the newest accepted poll) or `now`.",
    )
    force: bool = Field(
        default=False,
        strict=True,
        description="Compute a new report even if one exists for the same parameters and data.",
    )
    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https URL to call when the report has ended. Calls are signed with the secret from `POST /v1/webhook-secret`.",
    )

    def to_request(self) -> ReportRequest:
        """Return the request as a value. Requests that ask the same compare equal."""
        return ReportRequest(
            **vars(self.parameters()), as_of=self.as_of, force=self.force, webhook_url=self.webhook_url
        )


class ReportRevise(RequestBody):
    """Body of `POST /v1/reports/{report_id}/revisions`. Every field has a default."""

    cut: Cut = Field(
        default="latest",
        description=(
            "`latest`: with the newest data and today's stores. `original`: with the stores and the data as they were for"
            " the report."
        ),
    )
    force: bool = Field(
        default=False, strict=True, description="Compute a new revision even if one exists for the same data."
    )
    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https URL to call when the revision has ended, as for `POST /v1/reports`.",
    )
