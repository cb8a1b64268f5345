"""Accepting the report of a due time: in one transaction with the step to the next, so that none is lost or doubled."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from shared import failpoints
from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.errors import InfrastructureError, UptillError
from shared.reports.model import Caller
from shared.reports.trigger import Accepted, BatchTerms, accept_report, in_one_snapshot
from shared.schedules.cron import newest_due, next_due
from shared.schedules.model import Schedule

_SQL = queries("schedules")
_KEEP_RUNS = timedelta(days=90)


@dataclass(frozen=True)
class Fired:
    """A run: its report with the messages for workers, or why there is none."""

    schedule_id: UUID
    due_at: datetime
    report_id: UUID | None
    wakes: tuple[ComputeBatch, ...]
    error: str | None


async def fire_one(conn: AsyncConnection, terms: BatchTerms) -> Fired | None:
    """Fire what is longest due, and commit; None when nothing is. `conn` must be outside a transaction.

    Of several due times that were missed only the newest is made up for. A report that is refused (a store that
    is not known any more, a key that was revoked) is a run without one, and the schedule goes on.
    """

    async def fire() -> Fired | None:
        fired = await _fire(conn, terms)
        if fired is not None:
            failpoints.hit("schedule.before_commit")
        return fired

    return await in_one_snapshot(conn, fire)


async def _fire(conn: AsyncConnection, terms: BatchTerms) -> Fired | None:
    async with conn.cursor(row_factory=dict_row) as cursor:
        row = await (await cursor.execute(_SQL["take_due"])).fetchone()
    if row is None:
        return None
    now, key_lives = row.pop("now"), row.pop("key_lives")
    schedule = Schedule(**row)
    due_at = newest_due(schedule.cron, schedule.timezone, schedule.due_at, now)
    accepted, error = None, "the key that made the schedule was revoked or has expired"
    if key_lives:
        accepted, error = await _accept(conn, schedule, due_at, terms)
    delivers = accepted is not None and schedule.stem is not None
    run: dict[str, Any] = {
        "id": schedule.id,
        "due_at": due_at,
        "was_due_at": schedule.due_at,
        "next_due_at": next_due(schedule.cron, schedule.timezone, max(now, due_at)),
        "report_id": accepted and accepted.report_id,
        "error": None if accepted else error,
        "delivery": "waiting" if delivers else "none",
        "stem": schedule.stem,
        "keep": _KEEP_RUNS,
    }
    for statement in ("advance", "insert_run", "forget_runs"):
        await conn.execute(_SQL[statement], run)
    return Fired(
        schedule.id, due_at, run["report_id"], tuple(accepted.wakes) if accepted else (), run["error"]
    )


async def _accept(
    conn: AsyncConnection, schedule: Schedule, due_at: datetime, terms: BatchTerms
) -> tuple[Accepted | None, str]:
    caller = Caller(schedule.created_by, None, schedule.visible)
    try:
        async with conn.transaction():  # a savepoint: of what is refused nothing stays
            return await accept_report(conn, schedule.request(due_at), caller, terms), ""
    except InfrastructureError:
        raise
    except UptillError as refused:
        return None, str(refused)
