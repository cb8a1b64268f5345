"""Keep the standing job of live state: make it, skip batches in which nothing changed, and wake workers for the others."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from shared.contracts import ShortBatch
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.ids import new_id
from shared.live.terms import LiveTerms
from shared.metrics.registry import LIVE_BATCHES
from shared.queue import publish_or_leave
from shared.settings import Settings
from shared.uptime.policy import DEFAULT_POLICY, POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("now")
# After a batch used up its claims.
_REST: Final = timedelta(minutes=10)
_log = structlog.get_logger()


def keep_live_state(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Do what is due for the standing job. Return the number of batches for which workers were woken.

    Without anything to do this is one statement, which reads a row per batch.
    """
    terms = LiveTerms.of(settings)
    if not settings.now_every_s:
        return _end_job(pool)
    with borrowed(pool) as conn:
        batches = _advance(conn, terms, settings)
    publish_or_leave(
        broker, [ShortBatch(report_id=report_id, batch_no=number) for report_id, number in batches]
    )
    return len(batches)


def lags_behind(pool: ConnectionPool) -> bool:
    """Return whether data came after the last refresh of a batch."""
    with borrowed(pool) as conn:
        return conn.execute(_SQL["lags"]).fetchone() == (True,)


def _advance(conn: psycopg.Connection, terms: LiveTerms, settings: Settings) -> Sequence[tuple[UUID, int]]:
    asked: dict[str, Any] = {
        "batch_stores": terms.batch_stores,
        "every": terms.every,
        "pause": terms.pause,
        "max_attempts": settings.max_attempts,
        "made_by": terms.made_by,
        "rest": _REST,
        "republish": timedelta(seconds=settings.republish_s),
    }
    ((lacks_plan, has_due, is_early, is_worn, has_other_period),) = conn.execute(
        _SQL["look"], asked
    ).fetchall()
    if lacks_plan:
        _make_job(conn, asked)
    elif has_other_period:
        conn.execute(_SQL["set_period"], asked)
    if is_worn:
        for batch_no, error in conn.execute(_SQL["let_rest"], asked).fetchall():
            _log.error("live_batch_rests", batch_no=batch_no, error=error)
    if is_early:
        conn.execute(_SQL["bring_forward"], asked)
    if has_due:
        LIVE_BATCHES.labels("skipped").inc(conn.execute(_SQL["skip_unchanged"], asked).rowcount)
    if has_due or is_early or lacks_plan:
        return conn.execute(_SQL["take_due"], asked).fetchall()
    return ()


def _make_job(conn: psycopg.Connection, asked: dict[str, Any]) -> None:
    """Divide all stores into batches of a new job, unless another scheduler has just done so."""
    with conn.transaction():
        conn.execute(_SQL["lock_plan"])
        ((needs_plan,),) = conn.execute(_SQL["needs_plan"], asked).fetchall()
        if not needs_plan:
            return
        conn.execute(_SQL["delete_job"])
        job = {
            "id": new_id(),
            "policy": DEFAULT_POLICY,
            "policy_version": POLICY_VERSION,
            "tzdata_version": tzdata_version(),
        }
        conn.execute(_SQL["insert_job"], {**asked, **job})
        made = conn.execute(_SQL["insert_batches"], {**asked, **job})
        _log.info("live_state_planned", batches=made.rowcount)


def _end_job(pool: ConnectionPool) -> int:
    with borrowed(pool) as conn:
        conn.execute(_SQL["delete_job"])
        conn.execute(_SQL["forget_rows"])
    return 0
