"""Query and answer bodies for the explanation of one store's row of a report."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.api.schemas.applied_closure import MOST_CLOSURES, AppliedClosureBody, list_closures
from services.api.schemas.explained_window import ExplainedWindowBody
from services.api.use_cases.explained_store import ExplanationInput, WindowExplanation
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.zones import DEFAULT_TIMEZONE


class ExplanationQuery(BaseModel):
    """Which windows of the report to explain, and how."""

    model_config = ConfigDict(extra="forbid")

    window: str | None = Field(
        default=None, description="A window of the report, such as `last_day`. Default: all of them."
    )
    fold: bool = Field(
        default=True,
        description="Whether to fold each run of segments that differ in their polls only into one.",
    )


class ExplanationBody(BaseModel):
    """How one store's row of a report comes about, from the data that the report was made from."""

    report_id: UUID
    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    as_of: datetime
    data_cut: int = Field(description="The ledger number that the report's data was read at.")
    tzdata_version: str
    is_exact: bool = Field(
        description="False if the report was made with another time zone database, so that the row may differ."
    )
    closures: list[AppliedClosureBody] = Field(
        description=f"The first {MOST_CLOSURES:,} closures that the segments name, and notes."
    )
    closures_total: int = Field(description="How many closures there are.")
    windows: list[ExplainedWindowBody]

    @classmethod
    def of_explanation(
        cls, given: ExplanationInput, windows: list[WindowExplanation], *, limited: bool
    ) -> Self:
        """Build the answer."""
        report, first_us = given.report, min(window.window_us[0] for window in windows)
        closures = [
            closure
            for closure in given.terms.closures
            if closure.ends_us is None or closure.ends_us > first_us
        ]
        return cls(
            report_id=report.id,
            store_id=given.store.store_id,
            timezone=given.terms.zone or DEFAULT_TIMEZONE,
            timezone_is_default=given.terms.zone is None,
            policy=report.policy,
            policy_version=report.policy_version,
            as_of=report.as_of,
            data_cut=given.store.seq,
            tzdata_version=tzdata_version(),
            is_exact=report.tzdata_version == tzdata_version(),
            closures=list_closures(closures, given.store.store_id),
            closures_total=len(closures),
            windows=[ExplainedWindowBody.of_window(window, given, limited=limited) for window in windows],
        )
