"""The query for outages: the time to search, and which outages to show."""

import zlib
from typing import Annotated

from pydantic import AfterValidator, Field

from services.api.schemas.length import Length
from services.api.schemas.timeline_query import ReasonedQuery
from services.api.use_cases.outage_page import (
    OUTAGE_KINDS,
    OutageChoice,
    OutageOrder,
    OutagePosition,
)
from services.api.use_cases.outage_search import OutageSearch
from shared.clock import from_us
from shared.reason_words import fold_reason, is_reason_word

_SHOWN = 100  # characters of a wrong value in an error


def _known_kind(text: str) -> str:
    word = fold_reason(text)
    if not is_reason_word(word):
        raise ValueError(
            f"{text[:_SHOWN]!r} cannot be a reason: give {' or '.join(OUTAGE_KINDS)}, or a word of GET /v1/reasons"
        )
    return word


class OutageQuery(ReasonedQuery):
    """The time to search, and filters."""

    min_length: Length | None = Field(
        default=None,
        description="Only outages with at least this much downtime, as an ISO 8601 duration such as PT30M.",
    )
    ongoing: bool | None = Field(
        default=None, description="Only outages that are (`true`) or are not (`false`) ongoing at `as_of`."
    )
    reason: Annotated[str, AfterValidator(_known_kind)] | None = Field(
        default=None,
        description=(
            "Only outages of one kind: `unknown_end`, after which nothing is known, or `late_opening`, which began when"
            " the store should have opened. Or only those with a poll that gave this reason, such as `paused_by_store`."
        ),
    )
    sort: OutageOrder = Field(
        default="start", description="`start`: the latest first. `length`: the most downtime first."
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most outages to return.")

    def to_search(self, position: OutagePosition | None, store_id: str | None = None) -> OutageSearch:
        """Return whose outages to find, and when. The pages of one list have the `as_of` of the first."""
        return OutageSearch(
            self.policy,
            None if store_id is None else [store_id],
            None,
            self.window,
            self.from_time,
            self.to_time,
            self.as_of if position is None else from_us(position.as_of_us),
            excluded=self.exclude_reason,
            word=None if self.reason in OUTAGE_KINDS else self.reason,
        )

    def to_choice(self, store_id: str | None = None) -> OutageChoice:
        """Return which of them to show. `store_id`: that of the path."""
        least_us = 0 if self.min_length is None else self.min_length.reach_us
        listed = (store_id, self.model_dump(exclude={"cursor", "limit"}))
        return OutageChoice(least_us, self.ongoing, self.reason, self.sort, zlib.crc32(repr(listed).encode()))
