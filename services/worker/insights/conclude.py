"""Finish a run of insights: fit and score every method on the fleet, and replace what the run before concluded.

Reads the hours of the fleet in chunks, in five passes of one snapshot. A method that has no proven skill writes nothing but its
scores. Hardly anything of a single store stays in memory: the risks wait in a temporary table.
"""

from collections.abc import Iterator
from datetime import date

import psycopg
import structlog

from services.worker.insights.findings import FindingRow, cause_rows, drift_rows, pattern_rows
from services.worker.insights.fit import FittedFleet, fit_fleet
from services.worker.insights.fleet import (
    LabeledFleet,
    StoredChunks,
    read_labels,
    read_last_day,
    stored_chunks,
)
from services.worker.insights.risk_rows import create_spool, spool_chunk
from services.worker.insights.write import Conclusions, write_conclusions
from services.worker.load import one_snapshot
from services.worker.report_files import Finalisation
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.insights.patterns import PatternList
from shared.labels import label_fault
from shared.reports.finalise import finish_facts
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("insights")
_log = structlog.get_logger()


def conclude(work: Finalisation) -> bool:
    """Conclude a run and commit. Return False if the lease was lost."""
    with borrowed(work.context.pool) as conn:
        with conn.transaction():
            create_spool(conn)
        with work.renewal.renewing(), stage("compute"), one_snapshot(conn):
            last_day = read_last_day(conn)
            found = None if last_day is None else _conclude_fleet(conn, last_day, work)
        with stage("finish"), conn.transaction():
            conn.execute(_SQL["nightly_lock"])
            findings = 0 if found is None else write_conclusions(conn, work.lease.report_id, found)
            finished = finish_facts(conn, work.lease, tzdata_version=tzdata_version())
            if not finished:
                raise psycopg.Rollback
            failpoints.hit("finish.before_commit")
    if found is not None:
        on = [method.name for method in found.methods if method.is_on]
        _log.info("insights_concluded", methods_on=on, findings=findings)
    return finished


def _conclude_fleet(conn: psycopg.Connection, last_day: date, work: Finalisation) -> Conclusions:
    chunks, fleet = stored_chunks(conn, last_day, work.require_lease), read_labels(conn, last_day)
    fitted = fit_fleet(chunks, fleet.groups)
    patterns = PatternList(fitted.patterns) if fitted.is_on("patterns") else None
    _last_pass(conn, chunks, fitted, patterns)
    causes = fitted.causes if fitted.is_on("causes") else ()
    drifts = drift_rows(fitted.drifting, fitted.drifting_groups, fleet.values, last_day)
    no_rows: Iterator[FindingRow] = iter(())
    findings = {
        "pattern": no_rows if patterns is None else pattern_rows(patterns),
        "cause": cause_rows(causes, fleet.values, last_day),
        "drift": drifts if fitted.is_on("drift") else no_rows,
    }
    return Conclusions(list(fitted.methods.values()), findings, _outage_rates(fitted, fleet), fleet.keys)


def _last_pass(
    conn: psycopg.Connection, chunks: StoredChunks, fitted: FittedFleet, patterns: PatternList | None
) -> None:
    """Spool the risks of all stores, and complete the patterns. Without any, the fleet is not read once more."""
    has_risk = fitted.has_risk
    if not has_risk and not patterns:
        return
    for chunk in chunks():
        if has_risk:
            spool_chunk(conn, chunk, fitted.model)
        if patterns:
            patterns.add(chunk)


def _outage_rates(fitted: FittedFleet, fleet: LabeledFleet) -> list[tuple[str, str, float]]:
    rates = [("", "", fitted.scanned.usual)]
    for name, place, rate in fitted.scanned.frequent():
        value = fleet.values[name][place]
        if label_fault(name, value) is None:
            rates.append((name, value, rate))
    return rates
