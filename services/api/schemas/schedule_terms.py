"""The parts of a schedule that requests and answers share: its report and its delivery."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.api.schemas.parameters import ReportParametersBody
from services.api.use_cases.schedules import MAX_PREFIX
from shared.texts import storable
from shared.webhooks.address import MAX_URL


class ScheduledReport(ReportParametersBody):
    """The parameters of each scheduled report. Every field has a default."""

    as_of: Literal["latest", "due"] = Field(
        default="latest",
        description="The end of every window: `latest` (the newest poll accepted by then) or `due` (the due time).",
    )

    def as_json(self) -> dict[str, Any]:
        """Return the parameters as a schedule stores them."""
        return {**self.parameters().as_json(), "as_of": self.as_of}


class Deliver(BaseModel):
    """Where to deliver reports, in addition to `GET /v1/reports` and the registered webhook endpoints."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https URL to call when a report has ended. Calls are signed with the secret from `POST /v1/webhook-secret`.",
    )
    s3_prefix: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PREFIX,
        description="Copy the files to `deliveries/` and this prefix in the bucket. Retention does not remove them.",
        examples=["finance/daily"],
    )
    channels: list[Annotated[str, AfterValidator(storable), Field(max_length=63)]] = Field(
        default=[],
        max_length=10,
        description="Tell these channels when a report has succeeded or failed, with a summary. E-mails have small files attached.",
        examples=[["ops"]],
    )
