"""Request and answer bodies for the comparison with a platform's own figures. Unknown fields are refused."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from services.api.schemas.parameters import KnownPolicy
from services.api.use_cases.reconcile import MAX_FIGURES, ComparedFigure, ReconcileTerms
from services.api.use_cases.reconcile_figures import ClaimedDowntime, DifferenceCause, FigureVerdict
from shared.clock import from_us
from shared.http.bodies import RequestBody
from shared.store_ids import clean_store_id
from shared.uptime.policy import DEFAULT_POLICY, POLICIES

_SECOND_US = 1_000_000
_MONTH_S = 31 * 86_400
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
# Python also reads 20241014 and 2024-W42-1, which other calls refuse. A `to` without a time could be the day's begin or end.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*", re.ASCII)


def _parse_time(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) and _TIME.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(
            f"invalid time {str(text)[:100]!r}: write it as 2024-10-14T18:00, in the store's local time, or with an offset"
        )
    return found


def _parse_date(text: object) -> date:
    try:
        found = date.fromisoformat(text) if isinstance(text, str) and _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(f"invalid date {str(text)[:100]!r}: write it as 2024-10-14")
    return found


LocalTime = Annotated[datetime, PlainValidator(_parse_time, json_schema_input_type=str)]
LocalDay = Annotated[date, PlainValidator(_parse_date, json_schema_input_type=str)]
_StrictNumber = Annotated[float, Field(strict=True)]


class PlatformFigureBody(RequestBody):
    """A platform's figure of one store: its downtime in seconds, or its uptime as a percentage of the open time."""

    model_config = ConfigDict(populate_by_name=True)

    store_id: str = Field(min_length=1, max_length=1024)
    day: LocalDay | None = Field(
        default=None, alias="date", description="A local date of the store, such as `2024-10-14`."
    )
    from_time: LocalTime | None = Field(
        default=None,
        alias="from",
        description="Instead of a date: the start, such as `2024-10-14T18:00`, in local time or with an offset.",
    )
    to_time: LocalTime | None = Field(default=None, alias="to", description="The end, in the same form.")
    down_s: _StrictNumber | None = Field(default=None, ge=0, le=_MONTH_S, description="Seconds of downtime.")
    uptime_percent: _StrictNumber | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Instead of downtime: uptime as a percentage of the open time.",
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        has_range = self.from_time is not None and self.to_time is not None
        if (self.day is None) is not has_range or (self.from_time is None) is not (self.to_time is None):
            raise ValueError("a figure has no clear time: give either date, or both from and to")
        if (self.down_s is None) is (self.uptime_percent is None):
            raise ValueError("a figure has no clear value: give either down_s or uptime_percent")
        return self

    def to_figure(self) -> ClaimedDowntime:
        """Return the figure as a value."""
        return ClaimedDowntime(
            clean_store_id(self.store_id),
            self.day,
            self.from_time,
            self.to_time,
            None if self.down_s is None else round(self.down_s * _SECOND_US),
            None if self.uptime_percent is None else self.uptime_percent / 100,
        )


class ReconciliationCreate(RequestBody):
    """Body of `POST /v1/reconciliations`."""

    figures: list[PlatformFigureBody] = Field(min_length=1, max_length=MAX_FIGURES)
    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(POLICIES)}.",
    )
    within_s: float = Field(
        default=60,
        strict=True,
        ge=0,
        le=86_400,
        description="Figures agree if they differ by at most this many seconds.",
    )

    def to_terms(self) -> ReconcileTerms:
        """Return how to compare."""
        return ReconcileTerms(self.policy, round(self.within_s * _SECOND_US))


class ReconciledFigureBody(BaseModel):
    """A platform's figure beside Uptill's, in microseconds. Null: it could not be compared."""

    store_id: str
    name: str | None
    begin: datetime | None = Field(description="Start of the window; null for an unknown store.")
    end: datetime | None
    verdict: FigureVerdict = Field(
        description="`agrees`: within `within_s`. `within_bounds`: their downtime is possible, as far as the polls tell."
        " `beyond_bounds`: it contradicts the polls."
    )
    causes: list[DifferenceCause] = Field(
        description="What may explain the difference, the most likely first."
    )
    theirs_us: int | None = Field(description="Their downtime.")
    down_us: int | None = Field(description="Our downtime.")
    difference_us: int | None = Field(description="Theirs minus ours.")
    down_min_us: int | None = Field(description="The least downtime that the polls allow.")
    down_max_us: int | None = Field(description="The most downtime that the polls allow.")
    open_us: int | None = Field(description="Opening time without excluded time.")
    unknown_us: int | None = Field(description="Opening time that no poll covers.")
    excluded_us: int | None = Field(description="Opening time that closures exclude.")
    polls: int | None = Field(description="Polls that count.")

    @classmethod
    def of_figure(cls, found: ComparedFigure) -> Self:
        """Build the body of a figure."""
        own, figure = found.own, found.figure
        theirs_us = figure.down_us if own is None else figure.theirs_us(own.open_us)
        numbers = dict.fromkeys(_OWN) if own is None else {name: getattr(own, name) for name in _OWN}
        begin, end = (None, None) if found.window_us is None else map(from_us, found.window_us)
        return cls(
            store_id=figure.store_id,
            name=found.name,
            begin=begin,
            end=end,
            verdict=found.verdict,
            causes=list(found.causes),
            theirs_us=theirs_us,
            difference_us=None if own is None or theirs_us is None else theirs_us - own.down_us,
            **numbers,
        )


_OWN = ("down_us", "down_min_us", "down_max_us", "open_us", "unknown_us", "excluded_us", "polls")


class VerdictCounts(BaseModel):
    """How many figures have each verdict."""

    agrees: int = 0
    within_bounds: int = 0
    beyond_bounds: int = 0
    not_compared: int = 0


class ReconciliationBody(BaseModel):
    """A platform's figures beside Uptill's."""

    policy: str
    counts: VerdictCounts
    figures: list[ReconciledFigureBody] = Field(description="In the order of the request.")

    @classmethod
    def of_figures(cls, policy: str, found: Sequence[ComparedFigure]) -> Self:
        """Build the answer."""
        verdicts = [each.verdict for each in found]
        return cls(
            policy=policy,
            counts=VerdictCounts(**{verdict.value: verdicts.count(verdict) for verdict in FigureVerdict}),
            figures=[ReconciledFigureBody.of_figure(each) for each in found],
        )
