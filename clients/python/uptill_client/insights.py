"""Calls for insights: the risk of the next hours, patterns, and the skill of each method on this fleet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from uptill_client.following import JobEnd, follow_job
from uptill_client.pages import iterate_pages
from uptill_client.paths import encode_segment
from uptill_client.report_status import Progress
from uptill_client.transport import Transport

_RUNS = "/v1/insights/runs"


@dataclass(frozen=True)
class MethodSkill:
    """The Brier skill of a method against a reference, with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CalibrationTenth:
    """A tenth of all predictions: their mean, and the share that was down."""

    predicted: float
    observed: float
    hours: int


@dataclass(frozen=True)
class InsightMethod:
    """A method with its scores on the last four weeks. `is_on` False: it is silent, and `reason` says why.

    A skill is None if too little was scored to know it. A key that is limited to labels gets no `hours`, `calibration` and
    `top_precision`.
    """

    method: str
    is_on: bool
    reason: str | None
    as_of: datetime
    run_id: str
    hours: int | None
    skill: Mapping[str, MethodSkill | None]
    calibration: Sequence[CalibrationTenth]
    top_precision: float | None
    sentence: str


@dataclass(frozen=True)
class InsightFinding:
    """A finding about a store, or about the stores with a label, in one sentence with its evidence."""

    store_id: str | None
    name: str | None
    label: Mapping[str, str] | None
    sentence: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class RiskOfHour:
    """An open hour. `probability` is None if the method for so far ahead is off."""

    at: datetime
    probability: float | None


@dataclass(frozen=True)
class RiskOfStore:
    """The risk of a store in its next 24 open hours. `driver`: what raises it most.

    `expected_down_hours` is None if the probability of none of them is known.
    """

    store_id: str
    name: str | None
    timezone: str
    labels: Mapping[str, str]
    expected_down_hours: float | None
    driver: str
    store_rate: float
    group_rate: float | None
    hours: Sequence[RiskOfHour]
    sentence: str


@dataclass(frozen=True)
class InsightRunStatus(JobEnd):
    """A run that counts the hours of every store and concludes insights."""

    id: str
    state: str
    first_day: date
    last_day: date
    as_of: datetime
    progress: Progress
    stores_failed: int
    error: Mapping[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class _Methods:
    methods: Sequence[InsightMethod]


class InsightCalls:
    """Calls for insights. Runs need a key with the scope `admin`. Each call raises `ApiError` on failure."""

    _api: Transport

    def insight_skill(self) -> Sequence[InsightMethod]:
        """Return the methods of the last run with their scores."""
        return self._api.call(_Methods, "GET", "/v1/insights/skill").methods

    def risk(
        self, *, labels: Mapping[str, str] | None = None, store: str | None = None
    ) -> Iterator[RiskOfStore]:
        """Yield the stores that are most likely to be down in their next 24 open hours; none if the methods are off."""
        return iterate_pages(self._api, RiskOfStore, "/v1/insights/risk", "stores", _choice(labels, store))

    def patterns(
        self, *, labels: Mapping[str, str] | None = None, store: str | None = None
    ) -> Iterator[InsightFinding]:
        """Yield the hours of the week in which stores are down again and again, the most certain first."""
        return self._findings("patterns", labels, store)

    def causes(self, *, labels: Mapping[str, str] | None = None) -> Iterator[InsightFinding]:
        """Yield the labels whose stores went down together in the last week, the most certain first."""
        return self._findings("causes", labels, None)

    def drift(
        self, *, labels: Mapping[str, str] | None = None, store: str | None = None
    ) -> Iterator[InsightFinding]:
        """Yield the stores and labels whose down time changed within eight weeks, the most certain first."""
        return self._findings("drift", labels, store)

    def _findings(
        self, kind: str, labels: Mapping[str, str] | None, store: str | None
    ) -> Iterator[InsightFinding]:
        return iterate_pages(
            self._api, InsightFinding, f"/v1/insights/{kind}", "findings", _choice(labels, store)
        )

    def run_insights(self) -> InsightRunStatus:
        """Conclude insights now. Does not wait for the run to end."""
        return self._api.call(InsightRunStatus, "POST", _RUNS)

    def get_insight_run(self, run_id: str) -> InsightRunStatus:
        """Return a run and its progress."""
        return self._api.call(InsightRunStatus, "GET", f"{_RUNS}/{encode_segment(run_id)}")

    def cancel_insight_run(self, run_id: str) -> InsightRunStatus:
        """Cancel a run. The conclusions of the run before stay."""
        return self._api.call(InsightRunStatus, "DELETE", f"{_RUNS}/{encode_segment(run_id)}")

    def follow_insight_run(self, run_id: str, *, every_s: float = 1) -> Iterator[InsightRunStatus]:
        """Yield the run's states until it has ended."""
        return follow_job(lambda: self.get_insight_run(run_id), every_s)


def _choice(labels: Mapping[str, str] | None, store: str | None) -> dict[str, Any]:
    chosen = [f"{name}:{value}" for name, value in (labels or {}).items()]
    return {"label": chosen or None, "store": store}
