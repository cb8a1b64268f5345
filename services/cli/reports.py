"""`uptill reports`: what was triggered before, and what can be done to it."""

from datetime import datetime
from itertools import islice
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, note, print_json, print_table
from uptill_client import ReportStatus

app = typer.Typer(no_args_is_help=True, help="Reports triggered before: list, show, cancel, retry.")
ReportId = Annotated[str, typer.Argument(metavar="ID", help="The report's id.")]


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only of this state.")] = None,
    policy: Annotated[str | None, typer.Option(help="Only of this policy.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only created since then, in local time.")] = None,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 20,
    *,
    as_json: Json = False,
) -> None:
    """Show reports, newest first."""
    since = None if since is None else since.astimezone()
    with api_client() as client:
        found = list(islice(client.reports(state=state, policy=policy, created_after=since), limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "state", "created", "as of", "policy", "windows", "stores", "formats"),
        [
            (
                *(report.id, report.state, f"{report.created_at:%Y-%m-%d %H:%M}"),
                *(f"{report.as_of:%Y-%m-%d %H:%M}", report.policy, " ".join(report.windows)),
                f"{report.progress.stores_done}/{report.progress.stores_total}",
                " ".join(report.formats),
            )
            for report in found
        ],
    )


@app.command()
def show(report_id: ReportId, *, as_json: Json = False) -> None:
    """Say how far a report is and, if it failed, why."""
    with api_client() as client:
        status = client.get_report(report_id)
    if as_json:
        print_json(status)
        return
    _say(status)


@app.command()
def cancel(report_id: ReportId) -> None:
    """Withdraw from a report that has not ended; it is canceled if no other key wants it."""
    with api_client() as client:
        _say(client.cancel_report(report_id))


@app.command()
def retry(report_id: ReportId) -> None:
    """Try a failed report again; what was done stays done."""
    with api_client() as client:
        _say(client.retry_report(report_id))


def _say(status: ReportStatus) -> None:
    progress = status.progress
    note(
        f"{status.id} {status.state}: {progress.stores_done} of {progress.stores_total} stores,"
        f" as of {status.as_of.isoformat()}"
    )
    if status.error:
        note(str(status.error.get("detail", status.error)))
    for lost in status.lost_files:
        note(lost.detail)
    for file in status.files:
        print(file.url)
