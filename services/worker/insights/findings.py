"""Findings as rows: about a store or about the stores with a label, in one sentence, with their evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from services.worker.insights.fleet import LabelGroups
from shared.insights.causes import CommonCause
from shared.insights.drift import DaySums, DriftChanges, effect_in_logits, find_changes
from shared.insights.history import HOURS, WEEK_HOURS
from shared.insights.patterns import Pattern
from shared.insights.sentences import describe_cause, describe_drift, describe_pattern
from shared.insights.terms import DAYS

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# A change of one store is not one of its group.
_LEAST_STORES: Final = 3


@dataclass(frozen=True)
class FindingRow:
    """A finding. Either `store` (its place in the fleet) or `label` (name and value) is given."""

    kind: Literal["pattern", "cause", "drift"]
    sentence: str
    evidence: Mapping[str, Any]
    store: int | None = None
    label: tuple[str, str] | None = None


def pattern_rows(patterns: Sequence[Pattern]) -> list[FindingRow]:
    """Return the rows of patterns, the most certain first."""
    ordered = sorted(patterns, key=lambda one: (one.p_value, one.store, one.begin))
    return [FindingRow("pattern", describe_pattern(one), _evidence(one), store=one.store) for one in ordered]


def _evidence(one: Pattern) -> dict[str, Any]:
    day, hour = divmod(one.begin, 24)
    return {
        "day_of_week": day,
        "from_hour": hour,
        "to_hour": hour + one.width,
        "weeks_down": one.down,
        "weeks": one.weeks,
        "usual_rate": round(one.rate, 4),
        "p_value": one.p_value,
        "at_opening": one.opens,
        "at_closing": one.closes,
    }


def cause_rows(
    causes: Sequence[CommonCause], groups: Mapping[str, LabelGroups], last_day: date
) -> list[FindingRow]:
    """Return the rows of the causes of the last week, the most certain first."""
    start = datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC) - timedelta(days=DAYS - 1)
    rows = []
    for one in causes:
        begin = start + timedelta(hours=one.hour)
        times = begin, begin + timedelta(hours=one.width)
        if one.hour < HOURS - WEEK_HOURS:
            continue
        label = one.name, groups[one.name].values[one.value]
        evidence = {
            "since_earliest": times[0].isoformat(),
            "since_latest": times[1].isoformat(),
            "stores_down": one.down,
            "stores": one.stores,
            "expected": round(one.expected, 2),
            "p_value": one.p_value,
        }
        sentence = describe_cause(label, (one.down, one.stores, one.expected), times)
        rows.append(FindingRow("cause", sentence, evidence, label=label))
    return rows


def drift_rows(sums: DaySums, groups: Mapping[str, LabelGroups], last_day: date) -> list[FindingRow]:
    """Return the rows of changed stores, and of changed groups of the stores that did not change by themselves.

    All stores and groups are tested together, so that many labels do not make more findings false.
    """
    changes = find_changes(sums)
    by_themselves = changes.found()
    names = list(groups)
    of_groups = [_sum_others(sums, groups[name], by_themselves) for name in names]
    tested = [find_changes(each) for each in of_groups]
    p_values = [each.p_value[each.tested] for each in (changes, *tested)]
    rows = _rows_of(sums, changes, changes.found(p_values[1:]), last_day)
    for place, (name, each, changed) in enumerate(zip(names, of_groups, tested, strict=True)):
        others = [values for number, values in enumerate(p_values) if number != place + 1]
        rows += _rows_of(each, changed, changed.found(others), last_day, (name, groups[name].values))
    return sorted(rows, key=lambda row: (row.evidence["p_value"], row.sentence))


def _sum_others(sums: DaySums, groups: LabelGroups, by_themselves: NDArray[np.int64]) -> DaySums:
    """Return the sums of groups without the stores that changed by themselves. Of too few stores there are none."""
    of_store = groups.of_store.copy()
    of_store[by_themselves] = -1
    stores = np.bincount(of_store[of_store >= 0], minlength=len(groups.values))
    of_store[(of_store >= 0) & (stores[of_store] < _LEAST_STORES)] = -1
    return sums.by_group(of_store, len(groups.values))


def _rows_of(
    sums: DaySums,
    changes: DriftChanges,
    places: NDArray[np.int64],
    last_day: date,
    label: tuple[str, Sequence[str]] | None = None,
) -> list[FindingRow]:
    """Return the rows of stores, or of the values of a label."""
    rows = []
    for place in places.tolist():
        before, after = float(changes.before[place]), float(changes.after[place])
        since = date.fromordinal(last_day.toordinal() - DAYS + 1 + int(changes.day[place]))
        hours = float(sums.known[place].sum())
        evidence = {
            "since": since.isoformat(),
            "rate_before": round(before, 4),
            "rate_after": round(after, 4),
            "effect_logits": round(effect_in_logits(before, after, hours), 3),
            "known_hours": round(hours),
            "p_value": float(changes.p_value[place]),
        }
        about = None if label is None else (label[0], label[1][place])
        sentence = describe_drift(since, before, after, about)
        store = place if about is None else None
        rows.append(FindingRow("drift", sentence, evidence, store=store, label=about))
    return rows
