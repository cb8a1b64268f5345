"""Request and answer bodies for stores and timelines. Requests with unknown fields are refused."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetPydanticSchema
from pydantic_core import core_schema

from services.api.schemas.reports import Instant, KnownPolicy
from services.api.use_cases.stores import StoreRow, StoreWithHours
from services.api.use_cases.timeline import TimelineInput, TimelineRequest
from shared.clock import from_us
from shared.labels import parse_labels
from shared.uptime.borders import Rule
from shared.uptime.policy import DEFAULT_POLICY, POLICIES, POLICY_VERSION
from shared.uptime.timeline import State, Timeline
from shared.uptime.window import Window, parse_window
from shared.uptime.zones import DEFAULT_TIMEZONE, tzdata_version

Status = Literal["active", "inactive"]


def _known_labels(texts: list[str]) -> list[str]:
    parse_labels(texts, separator=":")
    return texts


# A text in the query, a parsed window in Python.
WindowText = Annotated[
    Window,
    GetPydanticSchema(
        lambda _type, _handler: core_schema.no_info_after_validator_function(
            parse_window, core_schema.str_schema()
        )
    ),
]


def _status_name(active: bool | None) -> Status | None:  # noqa: FBT001
    return None if active is None else "active" if active else "inactive"


class StoreQuery(BaseModel):
    """Filter and position in the list of stores."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[list[str], AfterValidator(_known_labels)] = Field(
        default=[],
        description="A label as `NAME:VALUE`. Repeat it to list stores that have all of the labels.",
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most stores to return.")


class StoreBody(BaseModel):
    """A store with its latest poll."""

    store_id: str
    timezone: str = Field(description="The IANA time zone that its hours are in.")
    timezone_is_default: bool = Field(
        description="Whether no time zone was imported, so that the default applies."
    )
    labels: Mapping[str, str]
    first_polled_at: datetime | None = Field(description="The oldest accepted poll; null if there is none.")
    last_polled_at: datetime | None = Field(description="The newest accepted poll; null if there is none.")
    last_status: Status | None = Field(description="The status of the newest accepted poll.")

    @classmethod
    def of_store(cls, store: StoreRow) -> Self:
        """Build the answer for a store."""
        return cls(**_store_fields(store))


class StorePage(BaseModel):
    """A page of stores, ordered by id."""

    stores: list[StoreBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


class OpenInterval(BaseModel):
    """One opening interval in local time. If the end is not after the start, it ends on the next day."""

    day_of_week: int = Field(description="0 is Monday, 6 is Sunday.")
    start_time_local: str
    end_time_local: str


class StoreDetailBody(StoreBody):
    """A store with its opening hours."""

    hours: list[OpenInterval] = Field(description="Empty if the store is open around the clock.")
    is_open_24x7: bool
    polls_last_day: int = Field(
        description="Polls of this store in the 24 hours before the newest poll of any store."
    )

    @classmethod
    def with_hours(cls, detail: StoreWithHours) -> Self:
        """Build the answer for a store with its hours."""
        return cls(
            **_store_fields(detail.store),
            hours=[
                OpenInterval(
                    day_of_week=day, start_time_local=_format_time(opens), end_time_local=_format_time(closes)
                )
                for day, opens, closes in detail.hours
            ],
            is_open_24x7=not detail.hours,
            polls_last_day=detail.polls_last_day,
        )


class TimelineQuery(BaseModel):
    """The time to explain: a `window`, or `from` and `to`. Default: the last day before the newest poll."""

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

    def to_request(self) -> TimelineRequest:
        """Return the query as a value."""
        return TimelineRequest(self.policy, self.window, self.from_time, self.to_time, self.as_of)


class SpanBody(BaseModel):
    """Opening time without a break, within the window."""

    begin: datetime
    end: datetime


class PollBody(BaseModel):
    """A poll in the timeline."""

    at: datetime
    status: Status
    counts: bool = Field(description="Whether it affects the result: false if the store was closed.")


class SegmentBody(BaseModel):
    """Opening time in one state."""

    begin: datetime
    end: datetime
    state: State
    begin_rule: Rule = Field(description="Why the segment begins here.")
    end_rule: Rule = Field(description="Why the segment ends here.")
    poll: datetime | None = Field(description="The poll that determines the state; null if none does.")


class TotalsBody(BaseModel):
    """The figures that a report has for the window, in microseconds."""

    open_us: int = Field(description="Opening time.")
    up_us: int = Field(description="Uptime.")
    down_us: int = Field(description="Downtime.")
    unknown_us: int = Field(description="Opening time that no poll covers.")
    up_min_us: int = Field(description="Lower bound of the uptime.")
    up_max_us: int = Field(description="Upper bound of the uptime.")
    polls: int = Field(description="Polls that count.")
    availability: float | None = Field(
        description="Uptime divided by uptime plus downtime; null if both are 0."
    )


class TimelineBody(BaseModel):
    """How the uptime of one store in one window comes about.

    The segments cover the spans and add up to the totals. With policy `hold-scaled`, the segments show what was measured,
    and the totals apply the measured share to all opening time.
    """

    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    tzdata_version: str
    as_of: datetime = Field(description="Polls after this instant are ignored.")
    begin: datetime = Field(description="Start of the window (inclusive).")
    end: datetime = Field(description="End of the window (exclusive).")
    spans: list[SpanBody] = Field(description="When the store was open, in order.")
    polls: list[PollBody] = Field(description="The polls that can affect the window, in order.")
    segments: list[SegmentBody] = Field(description="The opening time by state, in order.")
    totals: TotalsBody

    @classmethod
    def of_timeline(cls, given: TimelineInput, timeline: Timeline) -> Self:
        """Build the answer for a timeline."""
        start_us, end_us = given.window_us
        return cls(
            store_id=given.store.store_id,
            timezone=given.store.timezone or DEFAULT_TIMEZONE,
            timezone_is_default=given.store.timezone is None,
            policy=given.policy,
            policy_version=POLICY_VERSION,
            tzdata_version=tzdata_version(),
            as_of=from_us(given.as_of_us),
            begin=from_us(start_us),
            end=from_us(end_us),
            spans=[SpanBody(begin=from_us(begin), end=from_us(end)) for begin, end in timeline.spans],
            polls=[
                PollBody(
                    at=from_us(poll.at_us),
                    status="active" if poll.active else "inactive",
                    counts=poll.counts,
                )
                for poll in timeline.polls
            ],
            segments=[
                SegmentBody(
                    begin=from_us(segment.begin.at_us),
                    end=from_us(segment.end.at_us),
                    state=segment.state,
                    begin_rule=segment.begin.rule,
                    end_rule=segment.end.rule,
                    poll=None if segment.poll_us is None else from_us(segment.poll_us),
                )
                for segment in timeline.segments
            ],
            totals=_sum_timeline(timeline),
        )


def _sum_timeline(timeline: Timeline) -> TotalsBody:
    measures = timeline.measures
    numbers = {name: int(getattr(measures, name)[0, 0]) for name in measures.__slots__}
    known_us = numbers["up_us"] + numbers["down_us"]
    return TotalsBody(**numbers, availability=numbers["up_us"] / known_us if known_us else None)


def _store_fields(store: StoreRow) -> dict[str, object]:
    return {
        "store_id": store.store_id,
        "timezone": store.timezone or DEFAULT_TIMEZONE,
        "timezone_is_default": store.timezone is None,
        "labels": store.labels,
        "first_polled_at": store.first_polled_at,
        "last_polled_at": store.last_polled_at,
        "last_status": _status_name(store.is_active),
    }


def _format_time(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
