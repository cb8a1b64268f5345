"""`uptill archive`: have old weeks of polls sealed, directly in the database. Workers do it."""

import time
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import psycopg
import typer

from services.cli.console import Json, fail, note, print_json
from services.cli.environment import settings_for_command
from services.cli.follow import telling_that_it_goes_on
from services.cli.instants import parse_date
from shared.db.connect import connect
from shared.errors import UptillError
from shared.exit_codes import ExitCode, exit_code_of
from shared.explain import explain
from shared.sealed.jobs import MARGIN, SealJob, accept_sealing, get_seal_job
from shared.telemetry import log_to_people

_LOOK_EVERY_S = 0.5
_OPEN_STATES = {"queued", "running"}


def archive(
    before: Annotated[
        datetime,
        typer.Option(
            parser=parse_date, metavar="DATE", help="Move weeks that ended before this date (UTC) began."
        ),
    ],
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until workers have moved the weeks.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Move old weeks of polls to the bucket as Parquet. Reports and calls read them there.

    Weeks that ended less than 14 days before the newest poll stay. Late polls bring a week back.
    """
    log_to_people()
    settings = settings_for_command("database_url")
    try:
        url = settings.database_url.get_secret_value()
        with connect(url, application_name="uptill-archive", autocommit=True) as conn:
            job_id = _accept(conn, before.replace(tzinfo=UTC), settings.republish_s)
            if job_id is None:
                _say_nothing(before, as_json=as_json)
                return
            with telling_that_it_goes_on(f"job {job_id}"):
                job = _follow(conn, job_id) if wait else get_seal_job(conn, job_id)
    except UptillError as error:
        fail(explain(error), code=exit_code_of(error))
    if as_json:
        print_json({"id": str(job_id), **vars(job)})
    elif not wait:
        note(f"job {job_id}: {job.weeks_total:,} weeks to look at")
    else:
        note(f"{job.weeks_sealed:,} of {job.weeks_total:,} weeks are in the bucket")
    if job.state == "failed":
        fail(f"the job {job_id} failed: {job.error}", code=ExitCode.FAILED)


def _accept(conn: psycopg.Connection, before: datetime, republish_s: float) -> UUID | None:
    with conn.transaction():
        accepted = accept_sealing(conn, before, republish_s, "uptill archive")
    return accepted.report_id if accepted else None


def _say_nothing(before: datetime, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": None, "weeks_total": 0, "weeks_sealed": 0})
    else:
        note(
            f"no week in Postgres ended before {before:%Y-%m-%d} and at least {MARGIN.days} days before the newest poll:"
            " nothing to move (a week that late polls brought back stays for a day)"
        )


def _follow(conn: psycopg.Connection, job_id: UUID) -> SealJob:
    """Wait for the job. Say once why it has to wait, and go on."""
    shown = None
    while True:
        job = get_seal_job(conn, job_id)
        if job.state not in _OPEN_STATES:
            return job
        if job.waiting_for not in {shown, None}:
            shown = job.waiting_for
            note(f"waiting: {shown}")
        time.sleep(_LOOK_EVERY_S)
