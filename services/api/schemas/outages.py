"""Query and answer bodies for outages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from services.api.schemas.parameters import Instant, KnownPolicy
from services.api.schemas.reports import FailedStoreBody
from services.api.schemas.stores import known_labels
from services.api.schemas.timeline import WindowText
from services.api.use_cases.outage_page import (
    ListedOutage,
    OutageChoice,
    OutageOrder,
    OutagePosition,
    OutageReason,
)
from services.api.use_cases.outages import MAX_STORES, FoundOutages, OutageSearch
from shared.clock import from_us
from shared.labels import parse_labels
from shared.uptime.policy import DEFAULT_POLICY, POLICIES, POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.window import Window, parse_window
from shared.uptime.zones import DEFAULT_TIMEZONE

_FAILED_SHOWN = 100


def _parse_length(text: object) -> Window:
    length = parse_window(text) if isinstance(text, str) else None
    if length is None or length.duration is None:
        raise ValueError(f"{text!r} is not a length: use an ISO 8601 duration such as PT30M")
    return length


Length = Annotated[
    Window,
    PlainValidator(_parse_length, json_schema_input_type=str),
    PlainSerializer(lambda window: window.text, return_type=str),
]


class OutageQuery(BaseModel):
    """The time to search, a `window` or `from` and `to`, and filters. Default: the last day before the newest poll."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_time: Instant | None = Field(
        default=None, alias="from", description="Start (inclusive). Default: 24 hours before `to`."
    )
    to_time: Instant | None = Field(
        default=None, alias="to", description="End (exclusive). Default: `as_of`."
    )
    window: WindowText | None = Field(
        default=None,
        description="A window as in reports, such as `last_week`, `PT6H` or `previous_day`, instead of `from` and `to`.",
    )
    as_of: Instant | None = Field(
        default=None, description="Ignore later polls. Default: `to`, or the newest poll of any store."
    )
    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(POLICIES)}.",
    )
    min_length: Length | None = Field(
        default=None,
        description="Only outages with at least this much downtime, as an ISO 8601 duration such as PT30M.",
    )
    ongoing: bool | None = Field(
        default=None, description="Only outages that are (`true`) or are not (`false`) ongoing at `as_of`."
    )
    reason: OutageReason | None = Field(
        default=None,
        description=(
            "Only outages of one kind: `unknown_end`, after which nothing is known, or `late_opening`, which began when"
            " the store should have opened."
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
        )

    def to_choice(self) -> OutageChoice:
        """Return which of them to show."""
        least_us = 0 if self.min_length is None else self.min_length.reach_us
        return OutageChoice(least_us, self.ongoing, self.reason, self.sort)


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


class OutageBody(BaseModel):
    """A run of downtime that no uptime and no unknown time interrupts, and the polls that bound it."""

    store_id: str
    timezone: str = Field(description="The IANA time zone of the store.")
    started_at: datetime = Field(
        description=(
            "Where the downtime begins in the window. With most policies a point between two polls: the outage began between"
            " `last_up_poll_at` and `first_down_poll_at`."
        )
    )
    ended_at: datetime | None = Field(
        description=(
            "Where the downtime ends: between `last_down_poll_at` and `first_up_poll_at`. Null while the outage is ongoing."
        ),
        examples=["2024-10-14T18:00:00Z"],
    )
    end: Literal["up", "unknown", "ongoing"] = Field(
        description="What follows: uptime, time that no poll covers, or nothing up to `as_of`.",
        examples=["up"],
    )
    down_us: int = Field(
        description="Downtime in the window, in microseconds. Time while closed does not count."
    )
    polls: int = Field(description="The inactive polls in it.")
    last_up_poll_at: datetime | None = Field(
        description="The poll behind the uptime just before; null if unknown time or the window's start precedes it."
    )
    first_down_poll_at: datetime | None = Field(description="The first inactive poll; null if there is none.")
    last_down_poll_at: datetime | None = Field(description="The last inactive poll; null if there is none.")
    first_up_poll_at: datetime | None = Field(
        description="The poll behind the uptime just after; null if unknown time or `as_of` follows."
    )
    began_at_opening: bool = Field(description="Whether it begins where opening time begins: a late opening.")
    starts_before_window: bool = Field(description="Whether the store was already down before the window.")

    @classmethod
    def of_outage(cls, outage: ListedOutage) -> Self:
        """Build the answer for one outage."""
        return cls.model_validate({**vars(outage), "timezone": outage.timezone or DEFAULT_TIMEZONE})


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
