"""Evaluate the alert rules after live state changed, or when time can have changed something. One evaluator at a time."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.scheduler.incidents.read import Evaluation, read_evaluation
from services.scheduler.incidents.tell import remind, tell_changes
from services.scheduler.incidents.write import write_changes
from shared import failpoints
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.incidents.evaluate import evaluate
from shared.incidents.machine import ENDS, Change, EventKind
from shared.metrics.registry import INCIDENT_CHANGES

_SQL, _NOW = queries("incidents"), queries("now")
# Within this time, a refresh of live state that has begun is waited for.
_PATIENCE: Final = timedelta(seconds=10)
_log = structlog.get_logger()


def evaluate_rules(pool: ConnectionPool) -> int:
    """Evaluate all rules if anything can have changed. Return the number of changes.

    Without anything new this is one statement, which reads a row per batch of live state.
    """
    with borrowed(pool) as conn:
        if conn.execute(_SQL["is_due"], {"patience": _PATIENCE}).fetchone() != (True,):
            return 0
        changes = _evaluate(conn)
        failpoints.hit("incidents.before_commit")
    failpoints.hit("incidents.after_commit")
    for change in changes:
        INCIDENT_CHANGES.labels(change.event.value).inc()
    if changes:
        _log.info("incidents_changed", changes=len(changes))
    return len(changes)


def _evaluate(conn: psycopg.Connection) -> list[Change]:
    """Evaluate under the lock of the plan of live state, unless another scheduler just did."""
    conn.execute(_NOW["lock_plan"])
    row = conn.execute(_SQL["clock"]).fetchone()
    if row is None or not row[0]:
        return []
    _, as_of_us, seen = row
    stored, has_more = evaluate_at(conn, as_of_us)
    given: dict[str, Any] = {"seen": seen, "as_of_us": as_of_us}
    conn.execute(_SQL["finish"], {**given, "has_more": has_more})
    return stored


def evaluate_at(conn: psycopg.Connection, as_of_us: int) -> tuple[list[Change], bool]:
    """Evaluate all rules at an instant, in the caller's transaction. Return the changes, and whether time alone may bring more."""
    found = read_evaluation(conn, as_of_us)
    changes = [*_end_orphans(found), *evaluate(found.inputs, as_of_us)]
    stored = write_changes(conn, found.rules, changes, as_of_us)
    tell_changes(conn, found.rules, stored, as_of_us)
    remind(conn, found, _ended(stored), as_of_us)
    return stored, found.has_more or bool(stored)


def _end_orphans(found: Evaluation) -> list[Change]:
    """End incidents whose rule was removed, or has become one of another kind."""
    return [Change(incident, EventKind.RESOLVED, "rule_changed") for incident in found.orphans]


def _ended(changes: list[Change]) -> set[UUID]:
    return {
        change.incident.id for change in changes if change.event in ENDS and change.incident.id is not None
    }
