"""The answer body for a series."""

from datetime import date, datetime
from typing import Self

from pydantic import BaseModel, Field

from services.api.use_cases.series import Series, SeriesRequest
from services.api.use_cases.series_sums import PeriodFigures, PeriodRow
from shared.uptime.policy import POLICIES, POLICY_VERSION, Edges, Fill, NoData, Scope
from shared.uptime.tzdata_release import tzdata_version

_NUMBERS = ("stores", "days", "days_missing", "open_us", "up_us", "down_us", "unknown_us", "excluded_us")
_CHANGES = ("availability", "up_us", "down_us", "unknown_us", "outages")
_DIGITS = 6
_SECOND_US = 1_000_000


class SeriesFiguresBody(BaseModel):
    """Sums of daily facts over stores and dates, in microseconds."""

    stores: int = Field(description="The most stores on one date that had scheduled time.")
    days: int = Field(description="Days of stores in the sums.")
    days_missing: int = Field(
        description="Days of stores that are not in the sums, because no daily fact of them holds. 0: the sums are complete."
    )
    open_us: int = Field(description="Opening time, without excluded time.")
    up_us: int = Field(description="Uptime.")
    down_us: int = Field(description="Downtime.")
    unknown_us: int = Field(description="Opening time that no poll covers.")
    excluded_us: int = Field(description="Opening time that closures exclude.")
    availability: float | None = Field(
        description="Uptime divided by uptime plus downtime, rounded down to a millionth; null if both are 0."
    )
    outages: int = Field(description="Outages that began on the dates.")

    @classmethod
    def of_figures(cls, figures: PeriodFigures) -> Self:
        """Build the body of figures."""
        numbers = {name: getattr(figures, name) for name in (*_NUMBERS, "outages")}
        return cls(**numbers, availability=figures.availability)


class SeriesChangeBody(BaseModel):
    """What changed from the window before: each number minus the one before."""

    availability: float | None = Field(description="null if either availability is null.")
    up_us: int
    down_us: int
    unknown_us: int
    outages: int


class PreviousFiguresBody(SeriesFiguresBody):
    """The figures of the window before, and its dates."""

    first_day: date = Field(description="The first local date.")
    last_day: date = Field(description="The last local date.")


class SeriesRowBody(SeriesFiguresBody):
    """The figures of a group of stores in a period."""

    group: str | None = Field(
        description="The time zone, weekday, store id or value of the label. null: all stores, or the stores without the label."
    )
    period: str | None = Field(
        description="`2026-10-31`, `2026-W40` or `2026-10`. null: the whole window.", examples=["2026-W40"]
    )
    first_day: date = Field(description="The first local date of the period that lies in the window.")
    last_day: date = Field(description="The last one.")
    previous: PreviousFiguresBody | None = Field(
        description="With `compare`, the period with the same place in the window before; null if there is none."
    )
    change: SeriesChangeBody | None = Field(description="With `previous`, the differences.")

    @classmethod
    def of_row(cls, row: PeriodRow) -> Self:
        """Build the body of a row."""
        numbers = SeriesFiguresBody.of_figures(row.figures)
        previous = _build_previous(row)
        return cls(
            **vars(numbers),
            group=row.group,
            period=row.period,
            first_day=row.dates.first,
            last_day=row.dates.last,
            previous=previous,
            change=None if previous is None else _subtract(numbers, previous),
        )


class PolicyRulesBody(BaseModel):
    """The rules of a policy."""

    fill: Fill = Field(description="Where the state changes between two polls.")
    horizon_s: int = Field(description="How far a poll speaks, in seconds.")
    no_data: NoData = Field(description="What time becomes that no poll speaks for.")
    slot_s: int = Field(
        description="To which multiple changes of state are rounded, in seconds; 0: not rounded."
    )
    edges: Edges = Field(
        description="What the first and the last poll of an opening say about the time around them."
    )
    scope: Scope = Field(description="Which polls count: those in opening hours (`span`) or all.")

    @classmethod
    def of_policy(cls, name: str) -> Self:
        """Return the rules of a policy, by its name."""
        policy = POLICIES[name]
        return cls(
            fill=policy.fill,
            horizon_s=policy.horizon_us // _SECOND_US,
            no_data=policy.no_data,
            slot_s=policy.slot_us // _SECOND_US,
            edges=policy.edges,
            scope=policy.scope,
        )


class PolicySeriesRowBody(SeriesFiguresBody):
    """The figures of a group of stores in the whole window under one policy."""

    group: str | None = Field(description="As in `rows`.")
    change: SeriesChangeBody = Field(description="Each number minus that of the first policy.")


class PolicySeriesBody(BaseModel):
    """The whole window under one policy, beside the first one."""

    policy: str
    rules: PolicyRulesBody
    differs_in: list[str] = Field(
        description="The rules that the first policy has otherwise: they explain the changes.",
        examples=[["fill"]],
    )
    totals: list[PolicySeriesRowBody] = Field(description="One row per group.")


class SeriesBody(BaseModel):
    """A series, from the daily facts of this moment."""

    policy: str
    policy_version: int
    tzdata_version: str
    by: str
    group: str
    as_of: datetime | None = Field(
        description="The newest poll of any store. Its date in UTC decides which dates a window has."
    )
    first_day: date = Field(description="The first local date.")
    last_day: date = Field(description="The last local date.")
    days_missing: int = Field(
        description="Days of stores in all rows that have no daily fact which holds: not final yet, never computed, or touched"
        " by a later change."
    )
    rows: list[SeriesRowBody] = Field(description="By group, then by period.")
    totals: list[SeriesRowBody] = Field(description="One row per group, for the whole window.")
    policies: list[PolicySeriesBody] = Field(
        description="With the parameter `policies`, the totals under each of them, in the order of the request."
    )

    @classmethod
    def of_series(cls, request: SeriesRequest, series: Series) -> Self:
        """Build the answer."""
        return cls(
            policy=request.policy,
            policy_version=POLICY_VERSION,
            tzdata_version=tzdata_version(),
            by=request.step,
            group=request.group if request.label is None else f"label:{request.label}",
            as_of=series.as_of,
            first_day=series.dates.first,
            last_day=series.dates.last,
            days_missing=sum(row.figures.days_missing for row in series.totals),
            rows=[SeriesRowBody.of_row(row) for row in series.rows],
            totals=[SeriesRowBody.of_row(row) for row in series.totals],
            policies=_compare_policies(request, series),
        )


def _compare_policies(request: SeriesRequest, series: Series) -> list[PolicySeriesBody]:
    """Return the totals under each policy. There are none if only one was asked for."""
    if not series.others:
        return []
    first = PolicyRulesBody.of_policy(request.policy)
    firsts = {row.group: SeriesFiguresBody.of_figures(row.figures) for row in series.totals}
    compared = []
    for name, rows in {request.policy: series.totals, **series.others}.items():
        rules = PolicyRulesBody.of_policy(name)
        totals = []
        for row in rows:
            numbers = SeriesFiguresBody.of_figures(row.figures)
            change = _subtract(numbers, firsts[row.group])
            totals.append(PolicySeriesRowBody(**vars(numbers), group=row.group, change=change))
        differing = [each for each, value in vars(rules).items() if value != getattr(first, each)]
        compared.append(PolicySeriesBody(policy=name, rules=rules, differs_in=differing, totals=totals))
    return compared


def _build_previous(row: PeriodRow) -> PreviousFiguresBody | None:
    if row.previous is None or row.previous_dates is None:
        return None
    numbers = SeriesFiguresBody.of_figures(row.previous)
    return PreviousFiguresBody(
        **vars(numbers), first_day=row.previous_dates.first, last_day=row.previous_dates.last
    )


def _subtract(now: SeriesFiguresBody, before: SeriesFiguresBody) -> SeriesChangeBody:
    changes = {}
    for name in _CHANGES:
        new, old = getattr(now, name), getattr(before, name)
        changes[name] = None if new is None or old is None else round(new - old, _DIGITS)
    return SeriesChangeBody(**changes)
