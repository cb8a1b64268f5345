"""The answer body for one window of an explanation."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from services.api.schemas.explained_segment import ExplainedSegmentBody, show_segment
from services.api.schemas.timeline_parts import TotalsBody, sum_timeline
from services.api.use_cases.explained_store import ExplanationInput, WindowExplanation
from shared.clock import from_us
from shared.uptime.policy import HOUR_US, MINUTE_US
from shared.uptime.rounding import PER_UNIT, round_times
from shared.uptime.zones import DEFAULT_TIMEZONE


class ExplainedWindowBody(BaseModel):
    """One window. The segments fill it from `begin` to `end` and add up to the totals."""

    window: str
    begin: datetime
    end: datetime
    unit: Literal["minutes", "hours"] = Field(description="The unit of `row`.")
    row: Mapping[str, float] = Field(
        description="The columns of the report for this window, as the row of the store has them.",
        examples=[{"uptime_last_day": 10.0013, "downtime_last_day": 2.4987}],
    )
    totals: TotalsBody
    polls_outside_hours: int = Field(
        description="Polls in the window that do not count because the store was closed then."
    )
    segments: Iterable[ExplainedSegmentBody]

    @classmethod
    def of_window(cls, found: WindowExplanation, given: ExplanationInput, *, limited: bool) -> Self:
        """Build the answer for a window. It can be encoded once: its segments are built meanwhile."""
        origins = {poll.at_us: poll for poll in given.origins}
        zone = ZoneInfo(given.terms.zone or DEFAULT_TIMEZONE)
        begin_us, end_us = found.window_us
        return cls(
            window=found.window.name,
            begin=from_us(begin_us),
            end=from_us(end_us),
            unit="minutes" if found.window.in_minutes else "hours",
            row=_list_cells(found),
            totals=sum_timeline(found.timeline),
            polls_outside_hours=found.timeline.count_outside(found.window_us),
            segments=(show_segment(segment, origins, zone, limited=limited) for segment in found.segments),
        )


def _list_cells(found: WindowExplanation) -> Mapping[str, float]:
    unit_us = MINUTE_US if found.window.in_minutes else HOUR_US
    times = round_times(found.timeline.measures, 0, unit_us)
    return {
        f"{label}_{found.window.name}": float(times[measure][0] / PER_UNIT)
        for label, measure in (("uptime", "up_us"), ("downtime", "down_us"))
    }
