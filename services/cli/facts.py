"""`uptill facts build|list|show|export|cancel`: compute daily facts for a range of local dates, and export them."""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Annotated
from uuid import UUID

import typer

from services.cli.connection import api_client
from services.cli.console import (
    Json,
    fail,
    minute,
    note,
    print_fields,
    print_json,
)
from services.cli.facts_export import export, print_export
from services.cli.follow import PROGRESS_EVERY_S, show_progress, telling_that_it_goes_on
from services.cli.instants import parse_date
from services.cli.parameters import Policy, PolicyName
from services.cli.tables import print_table
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import ApiError, FactsExportStatus, FactsStatus, UptillClient

app = typer.Typer(no_args_is_help=True, help="Compute daily facts: build, list, show, export, cancel.")
JobId = Annotated[UUID, typer.Argument(metavar="ID", help="The job's id.")]


@app.command()
def build(
    first: Annotated[
        datetime, typer.Option("--from", parser=parse_date, metavar="DATE", help="First local date.")
    ],
    last: Annotated[
        datetime, typer.Option("--to", parser=parse_date, metavar="DATE", help="Last local date.")
    ],
    policy: Policy = PolicyName(DEFAULT_POLICY),
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the job has ended.")] = True,
    *,
    as_json: Json = False,
) -> None:
    """Compute the daily facts of every store. Days that still hold are not computed again.

    Ctrl-C ends the command, not the job.
    """
    with api_client() as client:
        job = client.build_facts(first.date(), last.date(), policy=policy.value)
        if wait:
            job = _follow(client, job)
    if as_json:
        print_json(job)
    else:
        print(job.id)
    if job.state in ("failed", "canceled"):
        fail(f"job {job.id} is {job.state}: {(job.error or {}).get('detail', 'the API gave no reason')}")
    if job.stores_failed:
        note(f"{job.stores_failed} stores could not be computed and have no facts")


@app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option(help="Only this state: queued, running, succeeded, failed or canceled.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help="Only this policy.")] = None,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 20,
    *,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with api_client() as client:
        found = list(islice(client.facts(state=state, policy=policy), limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "state", "created (UTC)", "stores", "policy", "days"),
        [
            (
                *(job.id, job.state, minute(job.created_at), _show_stores(job), job.policy),
                f"{job.first_day} to {job.last_day}",
            )
            for job in found
        ],
    )


@app.command()
def show(job_id: JobId, *, as_json: Json = False) -> None:
    """Show a job that computes facts, or an export, and its progress."""
    with api_client() as client:
        _print_either(
            lambda: client.get_facts(str(job_id)),
            lambda: client.get_facts_export(str(job_id)),
            as_json=as_json,
        )


@app.command()
def cancel(job_id: JobId, *, as_json: Json = False) -> None:
    """Cancel a job that computes facts, or an export. The facts of finished batches, and written months, stay."""
    with api_client() as client:
        _print_either(
            lambda: client.cancel_facts(str(job_id)),
            lambda: client.cancel_facts_export(str(job_id)),
            as_json=as_json,
        )


app.command()(export)


def _print_either(
    facts: Callable[[], FactsStatus], exported: Callable[[], FactsExportStatus], *, as_json: bool
) -> None:
    """Print what the first call returns, or the second if no job of the first kind has the id."""
    try:
        job = facts()
    except ApiError as error:
        if error.code != "facts_not_found":
            raise
        print_export(exported(), as_json=as_json)
    else:
        _print_job(job, as_json=as_json)


def _follow(client: UptillClient, job: FactsStatus) -> FactsStatus:
    states = client.follow_facts(job.id, every_s=PROGRESS_EVERY_S)
    with telling_that_it_goes_on(f"job {job.id}"):
        return show_progress(
            f"facts {job.id}", states, lambda each: (each.progress.stores_done, each.progress.stores_total)
        )


def _show_stores(job: FactsStatus) -> str:
    return f"{job.progress.stores_done} of {job.progress.stores_total}"


def _print_job(job: FactsStatus, *, as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    print_fields(
        [
            ("id", job.id),
            ("state", job.state),
            ("policy", job.policy),
            ("days", f"{job.first_day} to {job.last_day}"),
            ("stores", _show_stores(job)),
            ("failed stores", str(job.stores_failed)),
            ("created", minute(job.created_at)),
            ("finished", minute(job.finished_at)),
        ]
    )
