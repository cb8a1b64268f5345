"""Fit every method to a fleet, and score it, in four passes over its hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.worker.insights.methods import Method
from shared.insights.cause_scores import CauseScores
from shared.insights.causes import CauseChoice, CauseScan, CommonCause
from shared.insights.chunks import Chunks, GroupsByLabel, scan_fleet
from shared.insights.drift import DriftChanges, DriftScan, DriftScores, GroupDays, find_changes
from shared.insights.patterns import PatternScan, score_patterns
from shared.insights.rates import RateSums
from shared.insights.risk import FIRST_SCORED, RiskModel, fit_risk, memory_by_hour, score_risk
from shared.insights.scores import ScoreSums
from shared.insights.terms import HORIZONS, WEEKS

# The week whose rates choose the label: before any week that is scored.
_CHOSEN_BY_WEEK: Final = 3


@dataclass(frozen=True)
class FittedFleet:
    """What the methods know of a fleet. `methods`: by name, in the order of their scores."""

    methods: Mapping[str, Method]
    model: RiskModel
    patterns: PatternScan
    scanned: CauseScan
    causes: Sequence[CommonCause]
    drifting: DriftChanges
    drifting_groups: Mapping[str, DriftChanges]

    def is_on(self, name: str) -> bool:
        """Return whether a method may show what it found."""
        return self.methods[name].is_on

    @property
    def has_risk(self) -> bool:
        """Whether the risk of any distance may be shown."""
        return any(self.is_on(_risk_name(horizon)) for horizon in HORIZONS)


def fit_fleet(chunks: Chunks, groups: GroupsByLabel) -> FittedFleet:
    """Fit and score the methods."""
    rates, scanned, drift = RateSums(groups), CauseScan(groups), DriftScan()
    scan_fleet(chunks, rates, scanned, drift)
    drifting = drift.before(WEEKS)
    by_themselves = drifting.found().subject
    days = {name: GroupDays(of_store, by_themselves) for name, of_store in groups.items()}
    patterns, choice = PatternScan(rates.plain_rates(FIRST_SCORED)), CauseChoice(scanned)
    drift_scores, label = DriftScores(drift, rates.fleet), rates.choose_label(_CHOSEN_BY_WEEK)
    model = fit_risk(chunks, rates, label, patterns, choice, drift_scores, *days.values())
    cause_scores = CauseScores(scanned.groups, choice.causes(), model)
    risk = score_risk(chunks, model, cause_scores)
    methods = [
        *(_risk_method(horizon, sums, model, label) for horizon, sums in risk.items()),
        Method("patterns", score_patterns(patterns)),
        Method("causes", cause_scores.sums),
        Method("drift", drift_scores.sums),
    ]
    return FittedFleet(
        methods={method.name: method for method in methods},
        model=model,
        patterns=patterns,
        scanned=scanned,
        causes=cause_scores.causes,
        drifting=drifting,
        drifting_groups={name: find_changes(each.sums) for name, each in days.items()},
    )


def _risk_name(horizon: int) -> str:
    return f"risk_{horizon}h"


def _risk_method(horizon: int, sums: ScoreSums, model: RiskModel, label: str | None) -> Method:
    strength, memory = model.strengths[WEEKS], memory_by_hour(list(model.memory[WEEKS]))
    more = {
        "memory": memory[horizon - 1],
        "label": label,
        "store_strength": strength.store,
        "slot_strength": strength.slot,
        "fleet_rate": model.levels[WEEKS].fleet,
    }
    return Method(_risk_name(horizon), sums, more)
