"""The use case of one due service level: claim, evaluate, store. Reports and facts go first."""

from datetime import timedelta
from typing import Any, Final

import psycopg
import structlog

from services.worker.context import WorkerContext
from services.worker.levels.evaluate import evaluate_level
from services.worker.levels.write import confirm_evaluations, write_evaluations
from services.worker.load import one_snapshot
from shared import failpoints
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.errors import InfrastructureError
from shared.service_levels.terms import LevelTerms
from shared.uptime.level_period import LevelPeriod
from shared.uptime.service_level import ExcludedTime, UnknownTime

_SQL = queries("service_levels")
# Of a worker that dies. A year of a large fleet takes minutes.
_LEASE: Final = timedelta(minutes=15)
_CURRENT_AND_PREVIOUS: Final = (0, 1)
_log = structlog.get_logger()


def evaluate_due_level(context: WorkerContext) -> bool | None:
    """Evaluate the level that has been due for longest. Return True if its result was stored, None if no level is due.

    Whatever fails is tried again after the lease.
    """
    try:
        with borrowed(context.pool) as conn:
            row = conn.execute(_SQL["claim_due"], {"lease": _LEASE}).fetchone()
        if row is None:
            return None
        failpoints.hit("level.after_claim")
        return _evaluate_claimed(context, row)
    except InfrastructureError as error:
        _log.warning("service_level_released", error=str(error))
    except Exception:  # noqa: BLE001 - it is logged, and the level is due again after the lease
        _log.exception("service_level_failed")
    return False


def _evaluate_claimed(context: WorkerContext, row: tuple[Any, ...]) -> bool:
    name, revision, target, labels, profile, period, policy, unknown, excluded, caps = row
    terms = LevelTerms(
        target,
        labels,
        profile,
        LevelPeriod(period),
        policy,
        UnknownTime(unknown),
        ExcludedTime(excluded),
        caps,
    )
    with borrowed(context.pool) as conn:
        with one_snapshot(conn, context.storage) as snapshot:
            ((as_of,),) = conn.execute(_SQL["as_of"]).fetchall()
            known = {"name": name, "revision": revision, "data_cut": snapshot.seq, "as_of": as_of}
            if not _is_evaluated(conn, known):
                found = [evaluate_level(conn, terms, snapshot, as_of, ago) for ago in _CURRENT_AND_PREVIOUS]
            else:
                found = []
        if not found:
            return confirm_evaluations(conn, name, revision)
        is_stored = write_evaluations(conn, name, revision, found)
    failpoints.hit("level.after_commit")
    _log.info("service_level_evaluated", service_level=name, stores=len(found[0].rows), stored=is_stored)
    return is_stored


def _is_evaluated(conn: psycopg.Connection, known: dict[str, Any]) -> bool:
    ((is_evaluated,),) = conn.execute(_SQL["is_evaluated"], known).fetchall()
    return bool(is_evaluated)
