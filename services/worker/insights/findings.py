"""Findings as rows: about a store or about the stores with a label, in one sentence, with their evidence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import numpy as np

from shared.insights.causes import CommonCause
from shared.insights.drift import DriftChanges, effect_in_logits
from shared.insights.history import HOURS, WEEK_HOURS
from shared.insights.patterns import Pattern, PatternList
from shared.insights.sentences import describe_cause, describe_drift, describe_pattern
from shared.insights.terms import DAYS


@dataclass(frozen=True)
class FindingRow:
    """A finding. Either `store` (its place in the fleet) or `label` (name and value) is given."""

    kind: Literal["pattern", "cause", "drift"]
    sentence: str
    evidence: Mapping[str, Any]
    store: int | None = None
    label: tuple[str, str] | None = None


def pattern_rows(patterns: PatternList) -> Iterator[FindingRow]:
    """Yield the rows of patterns, the most certain first."""
    for one in patterns:
        yield FindingRow("pattern", describe_pattern(one), _evidence(one), store=one.store)


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
    causes: Sequence[CommonCause], values: Mapping[str, Sequence[str]], last_day: date
) -> Iterator[FindingRow]:
    """Yield the rows of the causes of the last week, the most certain first. `values`: those of each label."""
    start = datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC) - timedelta(days=DAYS - 1)
    for one in causes:
        begin = start + timedelta(hours=one.hour)
        times = begin, begin + timedelta(hours=one.width)
        if one.hour < HOURS - WEEK_HOURS:
            continue
        label = one.name, values[one.name][one.value]
        evidence = {
            "since_earliest": times[0].isoformat(),
            "since_latest": times[1].isoformat(),
            "stores_down": one.down,
            "stores": one.stores,
            "expected": round(one.expected, 2),
            "p_value": one.p_value,
        }
        sentence = describe_cause(label, (one.down, one.stores, one.expected), times)
        yield FindingRow("cause", sentence, evidence, label=label)


def drift_rows(
    stores: DriftChanges,
    groups: Mapping[str, DriftChanges],
    values: Mapping[str, Sequence[str]],
    last_day: date,
) -> Iterator[FindingRow]:
    """Yield the rows of changed stores, and of changed groups of the stores that did not change by themselves.

    All stores and groups are tested together, so that many labels do not make more findings false.
    """
    names: list[str | None] = [None, *groups]
    tested = [stores, *groups.values()]
    found = [each.found([*tested[:place], *tested[place + 1 :]]) for place, each in enumerate(tested)]
    kind = np.repeat(np.arange(len(found)), [len(each.subject) for each in found])
    place = np.concatenate([np.arange(len(each.subject)) for each in found])
    order = np.argsort(np.concatenate([each.p_value for each in found]), kind="stable")
    for number, row in zip(kind[order].tolist(), place[order].tolist(), strict=True):
        name = names[number]
        yield _drift_row(found[number], row, last_day, None if name is None else (name, values[name]))


def _drift_row(
    found: DriftChanges, place: int, last_day: date, label: tuple[str, Sequence[str]] | None
) -> FindingRow:
    """Return the row of a store, or of a value of a label."""
    subject, hours = int(found.subject[place]), float(found.hours[place])
    before, after = float(found.before[place]), float(found.after[place])
    since = date.fromordinal(last_day.toordinal() - DAYS + 1 + int(found.day[place]))
    evidence = {
        "since": since.isoformat(),
        "rate_before": round(before, 4),
        "rate_after": round(after, 4),
        "effect_logits": round(effect_in_logits(before, after, hours), 3),
        "known_hours": round(hours),
        "p_value": float(found.p_value[place]),
    }
    about = None if label is None else (label[0], label[1][subject])
    sentence = describe_drift(since, before, after, about)
    return FindingRow("drift", sentence, evidence, store=subject if label is None else None, label=about)
