"""Finish a run of insights: fit and score every method on the fleet, and replace what the run before concluded.

Reads the hours of the fleet in chunks, several times, in one snapshot. A method that has no proven skill writes nothing but
its scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from services.worker.insights.findings import FindingRow, cause_rows, drift_rows, pattern_rows
from services.worker.insights.fleet import LabelGroups, read_groups, read_last_day, stored_chunks
from services.worker.insights.methods import Method
from services.worker.insights.risk_rows import risk_rows
from services.worker.load import one_snapshot
from services.worker.report_files import Finalisation
from services.worker.stages import stage
from shared import failpoints
from shared.db.arrays import key_array
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.insights.causes import CauseScan, score_causes
from shared.insights.chunks import sum_weeks
from shared.insights.drift import score_drift, sum_days
from shared.insights.patterns import list_patterns, scan_patterns, score_patterns
from shared.insights.rates import choose_groups, levels_before
from shared.insights.risk import RiskModel, fit_risk, memory_by_hour, score_risk
from shared.insights.scores import ScoreSums
from shared.insights.terms import HORIZONS, WEEKS
from shared.labels import label_fault
from shared.reports.finalise import finish_facts
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("insights")
_log = structlog.get_logger()
# The first week whose rates label groups are chosen by: before any week that is scored.
_CHOSEN_BY_WEEK: Final = 3
_FIRST_LEVELS: Final = 3


@dataclass(frozen=True)
class Conclusions:
    """What a run found. `risk`: rows by chunk, empty if no horizon is on. `outage_rates`: by label name and value."""

    methods: Sequence[Method]
    risk: Sequence[dict[str, Any]]
    findings: Sequence[FindingRow]
    outage_rates: Sequence[tuple[str, str, float]]
    keys: NDArray[np.int64]


def conclude(work: Finalisation) -> bool:
    """Conclude a run and commit. Return False if the lease was lost."""
    context, lease = work.context, work.lease
    with borrowed(context.pool) as reader, work.renewal.renewing(), stage("compute"), one_snapshot(reader):
        last_day = read_last_day(reader)
        found = None if last_day is None else _conclude_fleet(reader, last_day, work)
    with stage("finish"), borrowed(context.pool) as conn, conn.transaction():
        conn.execute(_SQL["nightly_lock"])
        if found is not None:
            _write(conn, work, found)
        finished = finish_facts(conn, lease, tzdata_version=tzdata_version())
        if not finished:
            raise psycopg.Rollback
        failpoints.hit("finish.before_commit")
    if found is not None:
        on = [method.name for method in found.methods if method.is_on]
        _log.info("insights_concluded", methods_on=on, findings=len(found.findings))
    return finished


def _conclude_fleet(conn: psycopg.Connection, last_day: date, work: Finalisation) -> Conclusions:
    chunks = stored_chunks(conn, last_day, work.require_lease)
    keys, sums = sum_weeks(chunks)
    groups: Mapping[str, LabelGroups] = read_groups(conn, last_day)
    label = choose_groups(sums, {name: each.of_store for name, each in groups.items()}, _CHOSEN_BY_WEEK)
    of_store = None if label is None else groups[label].of_store
    levels = {week: levels_before(sums, week, of_store) for week in range(_FIRST_LEVELS, WEEKS + 1)}
    model = fit_risk(chunks, levels)
    scores = score_risk(chunks, model)
    methods = [_risk_method(horizon, scores[horizon], model, label) for horizon in HORIZONS]
    scan = scan_patterns(chunks)
    patterns = Method("patterns", score_patterns(scan))
    days = sum_days(chunks)
    drift = Method("drift", score_drift(days))
    scanned = CauseScan({name: each.of_store for name, each in groups.items()})
    for chunk in chunks():
        scanned.add(chunk)
    found = scanned.find()
    causes = Method("causes", score_causes(chunks, scanned, found, model))
    has_risk = any(method.is_on for method in methods)
    return Conclusions(
        methods=[*methods, patterns, causes, drift],
        risk=[risk_rows(chunk, model) for chunk in chunks()] if has_risk else [],
        findings=[
            *(pattern_rows(list(list_patterns(chunks, scan))) if patterns.is_on else []),
            *(cause_rows(found, groups, last_day) if causes.is_on else []),
            *(drift_rows(days, groups, last_day) if drift.is_on else []),
        ],
        outage_rates=[
            ("", "", scanned.usual),
            *(
                (name, label_value, rate)
                for name, value, rate in scanned.frequent()
                if label_fault(name, label_value := groups[name].values[value]) is None
            ),
        ],
        keys=keys,
    )


def _risk_method(horizon: int, sums: ScoreSums, model: RiskModel, label: str | None) -> Method:
    strength, memory = model.strengths[WEEKS], memory_by_hour(list(model.memory[WEEKS]))
    more = {
        "memory": memory[horizon - 1],
        "label": label,
        "store_strength": strength.store,
        "slot_strength": strength.slot,
        "fleet_rate": model.levels[WEEKS].fleet,
    }
    return Method(f"risk_{horizon}h", sums, more)


def _write(conn: psycopg.Connection, work: Finalisation, found: Conclusions) -> None:
    run_id = work.lease.report_id
    conn.execute(_SQL["forget_skill"])
    for method in found.methods:
        row = {
            "method": method.name,
            "run_id": run_id,
            "is_on": method.is_on,
            "reason": method.reason,
            "hours": int(method.sums.hours.sum()),
            "scores": Jsonb(method.scores()),
        }
        conn.execute(_SQL["insert_skill"], row)
    conn.execute(_SQL["forget_risk"])
    for rows in found.risk:
        conn.execute(
            _SQL["insert_risk"], {**rows, "run_id": run_id, "store_keys": key_array(rows["store_keys"])}
        )
    _write_findings(conn, run_id, found)
    conn.execute(_SQL["forget_outage_rates"])
    columns = zip(*found.outage_rates, strict=True)
    given = dict(zip(("label_names", "label_values", "rates"), map(list, columns), strict=True))
    conn.execute(_SQL["insert_outage_rates"], given)


def _write_findings(conn: psycopg.Connection, run_id: object, found: Conclusions) -> None:
    """Write the findings, numbered within each kind."""
    conn.execute(_SQL["forget_findings"])
    for kind in ("pattern", "cause", "drift"):
        rows = [row for row in found.findings if row.kind == kind]
        columns = {
            "kinds": [kind] * len(rows),
            "places": list(range(len(rows))),
            "store_keys": [None if row.store is None else int(found.keys[row.store]) for row in rows],
            "label_names": [row.label and row.label[0] for row in rows],
            "label_values": [row.label and row.label[1] for row in rows],
            "sentences": [row.sentence for row in rows],
            "evidences": [Jsonb(dict(row.evidence)) for row in rows],
        }
        conn.execute(_SQL["insert_findings"], {**columns, "run_id": run_id})
