"""Jobs that seal weeks of polls, or open sealed ones again: accept them. Each batch is a week."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import psycopg

from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.ids import new_id
from shared.reports.acceptance import Accepted
from shared.uptime.policy import DEFAULT_POLICY, POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("sealed")
# Weeks that ended less than this before the newest poll stay in the table: live state and imports read them.
MARGIN: Final = timedelta(days=14)
# A week that was opened is left to late polls for this long.
REST: Final = timedelta(days=1)


@dataclass(frozen=True)
class SealJob:
    """A job of kind seal. `waiting_for`: why a batch was released."""

    state: str
    error: str | None
    weeks_total: int
    weeks_done: int
    waiting_for: str | None
    weeks_sealed: int


def accept_sealing(
    conn: psycopg.Connection, before: datetime, republish_s: float, created_by: str | None
) -> Accepted | None:
    """Accept a job that seals the weeks that ended before an instant. Return None if there are none."""
    asked = {"before": before, "margin": MARGIN, "rest": REST}
    ((first, last, _),) = conn.execute(_SQL["sealable"], asked).fetchall()
    return None if first is None else _insert(conn, "seal", (first, last), republish_s, created_by)


def accept_due_sealing(conn: psycopg.Connection, before: datetime, republish_s: float) -> Accepted | None:
    """Do what `accept_sealing` does, once a day, in the caller's transaction. None if it is not due."""
    conn.execute(_SQL["start_lock"])
    if conn.execute(_SQL["sealing_due"]).fetchone() != (True,):
        return None
    return accept_sealing(conn, before, republish_s, None)


def accept_opening(conn: psycopg.Connection, republish_s: float) -> Accepted | None:
    """Accept a job that opens the weeks that late polls wait for, in the caller's transaction. None: there are none."""
    conn.execute(_SQL["start_lock"])
    row = conn.execute(_SQL["wanted"]).fetchone()
    return None if row is None else _insert(conn, "unseal", row, republish_s, None)


def get_seal_job(conn: psycopg.Connection, job_id: UUID) -> SealJob:
    """Return a job."""
    ((*fields,),) = conn.execute(_SQL["get_job"], {"id": job_id}).fetchall()
    return SealJob(*fields)


def _insert(
    conn: psycopg.Connection,
    kind: Literal["seal", "unseal"],
    weeks: tuple[date, date],
    republish_s: float,
    created_by: str | None,
) -> Accepted:
    job_id, number = new_id(), (weeks[1] - weeks[0]).days // 7 + 1
    job = {
        "id": job_id,
        "kind": kind,
        "first_week": weeks[0],
        "last_week": weeks[1],
        "policy": DEFAULT_POLICY,
        "policy_version": POLICY_VERSION,
        "created_by": created_by,
        "tzdata_version": tzdata_version(),
    }
    conn.execute(_SQL["insert_job"], job)
    conn.execute(
        _SQL["insert_batches"],
        {"id": job_id, "weeks": number, "republish": timedelta(seconds=republish_s)},
    )
    return Accepted(job_id, [ComputeBatch(report_id=job_id, batch_no=n) for n in range(number)])
