"""`uptill facts export`: write months of daily facts as Parquet into the bucket, and show such a job."""

from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, minute, print_fields, print_json
from services.cli.follow import PROGRESS_EVERY_S, show_progress, telling_that_it_goes_on
from services.cli.parameters import Policy, PolicyName
from services.cli.tables import print_table
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import FactsExportStatus, UptillClient


def export(
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="YYYY-MM", help="First month. Default: the first with facts."),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="YYYY-MM", help="Last month. Default: the last with facts.")
    ] = None,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    force: Annotated[bool, typer.Option("--force", help="Write months too that have not changed.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the export has ended.")] = True,
    *,
    as_json: Json = False,
) -> None:
    """Write months of daily facts to the bucket, as one Parquet file per month. Unchanged months are left as they are.

    Ctrl-C ends the command, not the export; `facts show` and `facts cancel` take its id.
    """
    with api_client() as client:
        job = client.export_facts(first, last, policy=policy.value, force=force)
        if wait:
            job = _follow(client, job)
    if as_json:
        print_json(job)
    elif wait:
        print_files(job)
    else:
        print(job.id)
    if job.state in ("failed", "canceled"):
        fail(f"export {job.id} is {job.state}: {(job.error or {}).get('detail', 'the API gave no reason')}")


def print_export(job: FactsExportStatus, *, as_json: bool) -> None:
    """Print an export and its objects."""
    if as_json:
        print_json(job)
        return
    print_fields(
        [
            ("id", job.id),
            ("state", job.state),
            ("policy", job.policy),
            ("months", f"{job.first_month} to {job.last_month}"),
            ("done", f"{job.months_done} of {job.months_total}"),
            ("created", minute(job.created_at)),
            ("finished", minute(job.finished_at)),
        ]
    )
    print_files(job)


def print_files(job: FactsExportStatus) -> None:
    """Print the objects of an export's months."""
    print_table(
        ("object", "rows", "bytes", "written", "current"),
        [
            (
                file.object,
                str(file.rows),
                str(file.size_bytes),
                minute(file.written_at),
                "yes" if file.is_current else "no",
            )
            for file in job.files
        ],
    )


def _follow(client: UptillClient, job: FactsExportStatus) -> FactsExportStatus:
    states = client.follow_facts_export(job.id, every_s=PROGRESS_EVERY_S)
    with telling_that_it_goes_on(f"export {job.id}"):
        return show_progress(
            f"export {job.id}", states, lambda each: (each.months_done, each.months_total), "months"
        )
