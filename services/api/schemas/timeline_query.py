"""The query for a timeline: a window, or a time range."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from services.api.schemas.parameters import ExcludedReasons, Instant, KnownPolicy
from services.api.use_cases.timeline import TimelineRequest
from shared.uptime.policy import DEFAULT_POLICY, POLICIES
from shared.uptime.window import Window, parse_window

# A text in the query, a parsed window in Python.
WindowText = Annotated[
    Window,
    PlainValidator(parse_window, json_schema_input_type=str),
    PlainSerializer(lambda window: window.text, return_type=str),
]


class RangeQuery(BaseModel):
    """A `window`, or `from` and `to`. Default: the last day before the newest poll."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_time: Instant | None = Field(
        default=None, alias="from", description="Start (inclusive). Default: 24 hours before `to`."
    )
    to_time: Instant | None = Field(
        default=None, alias="to", description="End (exclusive). Default: `as_of`."
    )
    window: WindowText | None = Field(
        default=None,
        description="A window as in reports, such as `last_week`, `PT6H`, `previous_day` or `day_of:2026-10-31`, instead of `from` and `to`.",
    )
    as_of: Instant | None = Field(
        default=None, description="Ignore later polls. Default: `to`, or the newest poll of any store."
    )


class TimeRangeQuery(RangeQuery):
    """A range, and the policy."""

    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(POLICIES)}.",
    )


class ReasonedQuery(TimeRangeQuery):
    """A range, the policy, and the reasons to leave out."""

    exclude_reason: ExcludedReasons = Field(
        default=[],
        description="Leave out the time for which polls gave this reason, as in reports. Repeat it for several.",
    )


class TimelineQuery(ReasonedQuery):
    """The time to explain."""

    def to_request(self) -> TimelineRequest:
        """Return the query as a value."""
        return TimelineRequest(
            self.policy, self.window, self.from_time, self.to_time, self.as_of, self.exclude_reason
        )
