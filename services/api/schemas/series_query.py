"""The query for a series: how to group, the dates, and which stores."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.api.schemas.parameters import KnownPolicy
from services.api.schemas.stores import known_labels
from services.api.schemas.timeline_query import WindowText
from services.api.use_cases.series import GroupKind, SeriesRequest
from services.api.use_cases.series_dates import MAX_DATES, DateRange, SeriesStep, check_dates
from services.api.use_cases.series_facts import SeriesOrder
from shared.errors import InvalidRequest
from shared.facts.jobs import KNOWN_YEARS
from shared.http.written_times import WrittenDate
from shared.labels import label_fault, parse_labels
from shared.uptime.policy import DEFAULT_POLICY, POLICIES

MAX_STORES = 1_000
_KINDS: Mapping[str, GroupKind] = {"all": "all", "zone": "zone", "weekday": "weekday", "store": "store"}


def _known_group(text: str) -> str:
    kind, _, name = text.partition(":")
    if text in _KINDS:
        return text
    if kind != "label":
        raise ValueError(
            f"unknown group {text[:100]!r}: use {', '.join(_KINDS)}, or label:NAME such as label:region"
        )
    if fault := label_fault(name, "x"):
        raise ValueError(fault)
    return text


def _known_policies(text: str) -> str:
    names = text.split(",")
    for name in names:
        if name not in POLICIES:
            raise ValueError(f"unknown policy {name[:100]!r}: use {', '.join(POLICIES)}")
    if not 1 < len(names) == len(set(names)):
        raise ValueError("give two or more different policies, separated by commas, such as classic,hold")
    return text


class SeriesQuery(BaseModel):
    """The groups, the dates and the stores of a series."""

    model_config = ConfigDict(extra="forbid")

    by: SeriesStep = Field(
        default="day", description="The periods: local dates, ISO weeks (Monday to Sunday), or months."
    )
    group: Annotated[str, AfterValidator(_known_group)] = Field(
        default="all",
        description=(
            "`all` stores in one group, by time `zone`, by the value of a label (`label:region`), by `weekday`, or each `store`."
        ),
    )
    window: WindowText | None = Field(
        default=None,
        description=(
            "A window of whole dates, such as `previous_month`, `month_of:2026-10` or `P30D` (the 30 dates before that of the"
            " newest poll), instead of `first_day` and `last_day`."
        ),
    )
    first_day: WrittenDate | None = Field(default=None, description="The first local date.")
    last_day: WrittenDate | None = Field(
        default=None, description=f"The last local date, at most {MAX_DATES} dates from the first."
    )
    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(POLICIES)}. There must be daily facts of it.",
    )
    policies: Annotated[str, AfterValidator(_known_policies)] | None = Field(
        default=None,
        description=(
            "Instead of `policy`: two or more policies, separated by commas, such as `classic,hold`. The rows are those of the"
            " first one, and `policies` has the totals of each."
        ),
    )
    compare: Literal["previous"] | None = Field(
        default=None,
        description="`previous` sets the window before beside each row: the calendar period before, or as many dates.",
    )
    order: SeriesOrder | None = Field(
        default=None,
        description="With `group=store`: only the stores with the `lowest` or `highest` availability in the window, in this order.",
    )
    limit: int = Field(default=10, ge=1, le=100, description="With `order`: how many stores.")
    store: list[str] = Field(
        default=[],
        max_length=MAX_STORES,
        description=f"Only this store. Repeat it for several, up to {MAX_STORES:,}.",
    )
    label: Annotated[list[str], AfterValidator(known_labels)] = Field(
        default=[],
        description="A label as `NAME:VALUE`. Repeat it for stores that have all of the labels.",
    )

    def to_request(self) -> SeriesRequest:
        """Return the query as a value. Raises `InvalidRequest` unless there is either a window or two dates."""
        kind, _, name = self.group.partition(":")
        if self.order is not None and self.group != "store":
            raise InvalidRequest(
                f"order was given with the group {self.group}: only group=store has an order",
                field="query.order",
            )
        if self.order is None and "limit" in self.model_fields_set:
            raise InvalidRequest(
                "limit was given without order: give order=lowest or order=highest too", field="query.limit"
            )
        first, *others = self.policies.split(",") if self.policies else [self.policy]
        if others and "policy" in self.model_fields_set:
            raise InvalidRequest("policy and policies were given: give one of them", field="query.policies")
        return SeriesRequest(
            step=self.by,
            group=_KINDS.get(kind, "label"),
            label=name or None,
            policy=first,
            window=self.window,
            dates=self._read_dates(),
            compares=self.compare is not None,
            store_ids=self.store or None,
            labels=parse_labels(self.label, separator=":") or None,
            ranking=self.order and (self.order, self.limit),
            others=others,
        )

    def _read_dates(self) -> DateRange | None:
        first, last = self.first_day, self.last_day
        if self.window is not None and first is None and last is None:
            return None
        if self.window is not None or first is None or last is None:
            raise InvalidRequest(
                "the dates are not clear: give either window, or both first_day and last_day",
                field="query.window",
            )
        if first.year not in KNOWN_YEARS or last.year not in KNOWN_YEARS:
            raise InvalidRequest(
                f"{first} to {last} has no polls: give dates from {KNOWN_YEARS[0]} to {KNOWN_YEARS[-1]}",
                field="query.first_day",
            )
        return check_dates(DateRange(first, last + timedelta(days=1)), "query.first_day")
