"""`uptill reports`: what can be done to a report that was triggered before."""

from typing import Annotated

import typer

from services.cli.client import ReportStatus
from services.cli.connection import api_client
from services.cli.console import note

app = typer.Typer(no_args_is_help=True, help="Reports triggered before: show, cancel, retry.")
ReportId = Annotated[str, typer.Argument(metavar="ID", help="The report's id.")]


@app.command()
def show(report_id: ReportId) -> None:
    """Say how far a report is and, if it failed, why."""
    with api_client() as client:
        _say(client.get_report(report_id))


@app.command()
def cancel(report_id: ReportId) -> None:
    """Cancel a report that has not ended."""
    with api_client() as client:
        _say(client.cancel_report(report_id))


@app.command()
def retry(report_id: ReportId) -> None:
    """Try a failed report again; what was done stays done."""
    with api_client() as client:
        _say(client.retry_report(report_id))


def _say(status: ReportStatus) -> None:
    note(
        f"{status.id} {status.state}: {status.stores_done} of {status.stores_total} stores, as of {status.as_of}"
    )
    if status.error:
        note(str(status.error.get("detail", status.error)))
    for file in status.files:
        print(file["url"])
