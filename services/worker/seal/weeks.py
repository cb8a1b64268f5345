"""The week of a batch, and what can keep it from being sealed or opened."""

from datetime import UTC, datetime, time, timedelta

import psycopg

from shared.db.queries import queries
from shared.errors import InfrastructureError
from shared.reports.batch import ONLY_A_PART, Batch, BatchLease
from shared.reports.claim import LeaseTerms
from shared.reports.complete import Completion, complete_job

_LOAD = queries("load")


class OtherRelease(InfrastructureError):
    """A service is running that would not see sealed weeks. The batch waits for its end."""


class WeekBusy(InfrastructureError):
    """Another worker opens the week, so this one looks again later whether it still has to."""


class WeekChanged(Exception):
    """The week is no longer what was read. The batch leaves it as it is."""


def monday_of(batch: Batch) -> datetime:
    """Return the start of the batch's week."""
    assert batch.first_day is not None  # noqa: S101 - jobs of these kinds have days
    return datetime.combine(batch.first_day, time(), UTC) + timedelta(weeks=batch.batch_no)


def partition_of(monday: datetime) -> str:
    """Return the table of a week that is not sealed."""
    return f"observation_{monday:%Gw%V}"


def skip_week(conn: psycopg.Connection, lease: BatchLease, terms: LeaseTerms) -> Completion:
    """Complete the batch without a change."""
    row = conn.execute(_LOAD["snapshot"]).fetchone()
    return complete_job(
        conn, lease, terms, read_seq=row[0] if row else 0, result=ONLY_A_PART, write=lambda: None
    )
