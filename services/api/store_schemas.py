"""Stores and timelines in requests and answers. Unknown fields of a request are refused."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.api.schemas import Instant, KnownPolicy
from services.api.use_cases.stores import Store, StoreDetail
from services.api.use_cases.timeline import TimelineInput, TimelineRequest
from shared.clock import from_us
from shared.labels import parse_labels
from shared.uptime.borders import Rule
from shared.uptime.policy import DEFAULT_POLICY, POLICY_VERSION
from shared.uptime.timeline import State, StoreTimeline
from shared.uptime.window import parse_window
from shared.uptime.zones import DEFAULT_TIMEZONE, tzdata_version

Status = Literal["active", "inactive"]


def _known_labels(texts: list[str]) -> list[str]:
    parse_labels(texts, separator=":")
    return texts


def _known_window(text: str | None) -> str | None:
    if text is not None:
        parse_window(text)
    return text


def _status(active: bool | None) -> Status | None:  # noqa: FBT001
    return None if active is None else "active" if active else "inactive"


class StoreQuery(BaseModel):
    """Which stores to list, and from where on."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[list[str], AfterValidator(_known_labels)] = Field(
        default=[], description="`NAME:VALUE`; repeat it for stores that have all of them."
    )
    cursor: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=200)


class StoreBody(BaseModel):
    """A store. `timezone` is the default one where none was delivered; the last poll is the newest accepted one."""

    store_id: str
    timezone: str
    timezone_is_default: bool
    labels: Mapping[str, str]
    first_polled_at: datetime | None
    last_polled_at: datetime | None
    last_status: Status | None

    @classmethod
    def of(cls, store: Store) -> Self:
        """Show a store."""
        return cls(**_shown(store))


class StorePage(BaseModel):
    """A page of stores, by id. `next` is the cursor of the page after it; null at the end."""

    stores: list[StoreBody]
    next: str | None


class OpenInterval(BaseModel):
    """One opening in local time, named as in files; it ends on the next day unless it ends after it starts."""

    day_of_week: int = Field(description="0 is Monday.")
    start_time_local: str
    end_time_local: str


class StoreDetailBody(StoreBody):
    """One store with its hours; without any it is open around the clock."""

    hours: list[OpenInterval]
    is_open_24x7: bool
    polls_last_day: int = Field(description="In the 24 hours up to the newest poll of any store.")

    @classmethod
    def with_hours(cls, detail: StoreDetail) -> Self:
        """Show a store and its hours."""
        return cls(
            **_shown(detail.store),
            hours=[
                OpenInterval(day_of_week=day, start_time_local=_clock(opens), end_time_local=_clock(closes))
                for day, opens, closes in detail.hours
            ],
            is_open_24x7=not detail.hours,
            polls_last_day=detail.polls_last_day,
        )


class TimelineQuery(BaseModel):
    """Which time to explain: a window of reports, or from and to; default: the last day up to the newest poll."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_time: Instant | None = Field(default=None, alias="from")
    to_time: Instant | None = Field(default=None, alias="to", description="Not included. Default: `as_of`.")
    window: Annotated[str | None, AfterValidator(_known_window)] = Field(
        default=None,
        description="As in reports: `last_week`, `PT6H`, `previous_day`; instead of from and to.",
    )
    as_of: Instant | None = Field(
        default=None, description="Later polls are not known. Default: `to`, or the newest poll of any store."
    )
    policy: KnownPolicy = DEFAULT_POLICY

    def request(self) -> TimelineRequest:
        """The same, as the use case takes it."""
        return TimelineRequest(self.policy, self.window, self.from_time, self.to_time, self.as_of)


class SpanBody(BaseModel):
    """An unbroken stretch of open time within the window."""

    begin: datetime
    end: datetime


class PollBody(BaseModel):
    """A poll. One that does not count was taken while the store was closed."""

    at: datetime
    status: Status
    counts: bool


class SegmentBody(BaseModel):
    """Open time in one state. `poll` is the instant of the poll that speaks for it; null where none does."""

    begin: datetime
    end: datetime
    state: State
    begin_rule: Rule
    end_rule: Rule
    poll: datetime | None


class Totals(BaseModel):
    """What a report says of the window, in microseconds. `availability` is null when nothing is known."""

    open_us: int
    up_us: int
    down_us: int
    unknown_us: int
    up_min_us: int
    up_max_us: int
    polls: int
    availability: float | None


class TimelineBody(BaseModel):
    """One store in one window, moment by moment.

    The segments fill the spans and add up to the totals. Policy `hold-scaled` applies the measured share to all open time:
    there the segments are what was measured.
    """

    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    tzdata_version: str
    as_of: datetime
    begin: datetime
    end: datetime
    spans: list[SpanBody]
    polls: list[PollBody]
    segments: list[SegmentBody]
    totals: Totals

    @classmethod
    def of(cls, given: TimelineInput, timeline: StoreTimeline) -> Self:
        """Show a timeline."""
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
            totals=_totals(timeline),
        )


def _totals(timeline: StoreTimeline) -> Totals:
    measures = timeline.measures
    numbers = {name: int(getattr(measures, name)[0, 0]) for name in measures.__slots__}
    known_us = numbers["up_us"] + numbers["down_us"]
    return Totals(**numbers, availability=numbers["up_us"] / known_us if known_us else None)


def _shown(store: Store) -> dict[str, object]:
    return {
        "store_id": store.store_id,
        "timezone": store.timezone or DEFAULT_TIMEZONE,
        "timezone_is_default": store.timezone is None,
        "labels": store.labels,
        "first_polled_at": store.first_polled_at,
        "last_polled_at": store.last_polled_at,
        "last_status": _status(store.is_active),
    }


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
