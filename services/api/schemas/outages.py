"""The answer body for a page of outages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from services.api.schemas.failed_stores import FailedStoreBody
from services.api.schemas.outage import OutageBody
from services.api.use_cases.outage_page import (
    ListedOutage,
    OutagePosition,
)
from services.api.use_cases.outages import FoundOutages
from shared.clock import from_us
from shared.uptime.policy import POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_FAILED_SHOWN = 100


class OutagePage(BaseModel):
    """A page of outages, computed from the data of this moment."""

    policy: str
    policy_version: int
    tzdata_version: str
    as_of: datetime = Field(description="Polls after this instant are ignored.")
    outages: list[OutageBody]
    failed_stores: list[FailedStoreBody] = Field(
        description=f"The first {_FAILED_SHOWN} of the stores that could not be computed. Normally empty."
    )
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")

    @classmethod
    def of_page(
        cls,
        found: FoundOutages,
        policy: str,
        page: tuple[Sequence[ListedOutage], OutagePosition | None],
    ) -> Self:
        """Build the answer for one page."""
        outages, last = page
        return cls(
            policy=policy,
            policy_version=POLICY_VERSION,
            tzdata_version=tzdata_version(),
            as_of=from_us(found.as_of_us),
            outages=[OutageBody.of_outage(outage) for outage in outages],
            failed_stores=[FailedStoreBody(**vars(store)) for store in found.failed[:_FAILED_SHOWN]],
            next=None if last is None else last.as_cursor(),
        )
