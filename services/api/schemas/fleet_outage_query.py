"""The query for the outages of several stores."""

from typing import Annotated

from pydantic import AfterValidator, Field

from services.api.schemas.outage_query import OutageQuery
from services.api.schemas.stores import known_labels
from services.api.use_cases.outage_page import (
    OutagePosition,
)
from services.api.use_cases.outage_search import OutageSearch
from services.api.use_cases.outages import MAX_STORES
from shared.labels import parse_labels


class FleetOutageQuery(OutageQuery):
    """As for one store, with a filter of stores."""

    store: list[str] = Field(
        default=[],
        max_length=MAX_STORES,
        description=f"Only this store. Repeat it for several, up to {MAX_STORES:,}.",
    )
    label: Annotated[list[str], AfterValidator(known_labels)] = Field(
        default=[],
        description="A label as `NAME:VALUE`. Repeat it for stores that have all of the labels.",
    )

    def to_fleet_search(self, position: OutagePosition | None) -> OutageSearch:
        """Return whose outages to find, and when."""
        search = self.to_search(position)
        labels = parse_labels(self.label, separator=":") or None
        return OutageSearch(**{**vars(search), "store_ids": self.store or None, "labels": labels})
