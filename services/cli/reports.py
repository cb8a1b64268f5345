"""`uptill reports`: list and show reports, download, cancel or retry one."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, instant, minute, note, print_fields, print_json
from services.cli.instants import INSTANT_HELP, parse_instant
from services.cli.parameters import Output
from services.cli.report import download_report
from services.cli.revisions import diff, revise
from services.cli.tables import print_table
from uptill_client import ReportStatus

app = typer.Typer(
    no_args_is_help=True,
    help="Manage reports: list, show, download, compare and more.",
)
app.command()(revise)
app.command()(diff)
ReportId = Annotated[str, typer.Argument(metavar="ID", help="The report's id.")]


@app.command("list")
def list_(
    state: Annotated[
        str | None,
        typer.Option(help="Only this state: queued, running, succeeded, failed, canceled or expired."),
    ] = None,
    policy: Annotated[str | None, typer.Option(help="Only this policy.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"Only created since then, {INSTANT_HELP}.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 20,
    *,
    as_json: Json = False,
) -> None:
    """List reports, newest first."""
    after = None if since is None else parse_instant(since)
    with api_client() as client:
        found = list(islice(client.reports(state=state, policy=policy, created_after=after), limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "state", "created (UTC)", "stores", "policy", "as of (UTC)", "formats", "windows"),
        [
            (
                *(report.id, report.state, minute(report.created_at), _show_progress(report), report.policy),
                *(minute(report.as_of), " ".join(report.formats), " ".join(report.windows)),
            )
            for report in found
        ],
    )


@app.command()
def show(report_id: ReportId, *, as_json: Json = False) -> None:
    """Show a report: its state, its progress, the links to its files, and why it failed if it did."""
    with api_client() as client:
        status = client.get_report(report_id)
    if as_json:
        print_json(status)
        return
    print_fields(_list_fields(status))


@app.command("failed-stores")
def failed_stores(report_id: ReportId, *, as_json: Json = False) -> None:
    """List the stores that could not be computed and have no row in the report."""
    with api_client() as client:
        found = list(client.failed_stores(report_id))
    if as_json:
        print_json(found)
        return
    print_table(("store", "reason", "detail"), [(one.store_id, one.reason, one.detail) for one in found])


@app.command()
def download(
    report_id: ReportId,
    output: Output = None,
) -> None:
    """Download the files of a report, such as one whose `uptill report` was stopped. Waits until it has ended."""
    with api_client() as client:
        download_report(client, report_id, output)


@app.command()
def cancel(report_id: ReportId) -> None:
    """Cancel a report that has not ended. It goes on if another key has requested the same report."""
    with api_client() as client:
        status = client.cancel_report(report_id)
    if status.state == "canceled":
        note(f"canceled report {status.id}")
    else:
        note(f"report {status.id} is still {status.state}, because another key has requested it too")


@app.command()
def retry(report_id: ReportId) -> None:
    """Run a failed report again. Finished batches are kept."""
    with api_client() as client:
        status = client.retry_report(report_id)
    note(f"report {status.id} is {status.state}: {_show_progress(status)} stores done")


def _list_fields(status: ReportStatus) -> Iterator[tuple[str, str]]:
    yield "id", status.id
    yield "state", status.state
    yield "stores", f"{_show_progress(status)} done"
    yield "as of", instant(status.as_of)
    if status.revision_of:
        yield "revision", f"{status.revision} of {status.revision_of}"
    yield "policy", f"{status.policy} (version {status.policy_version})"
    yield "windows", " ".join(status.windows)
    if status.exclude_reasons:
        yield "excluded", " ".join(status.exclude_reasons)
    yield "created", f"{minute(status.created_at)} UTC"
    if status.facts_only_days:
        days = status.facts_only_days
        yield "facts only", f"{days.first} to {days.last}: the polls of these days are gone"
    if status.error:
        yield "error", str(status.error.get("detail", status.error))
    for lost in status.lost_files:
        yield "lost", lost.detail
    if status.stores_failed:
        yield "failed stores", f"{status.stores_failed}, which have no row"
    for store in status.failed_stores:
        yield f"  {store.store_id}", f"{store.reason}: {store.detail}"
    if status.stores_failed > len(status.failed_stores):
        more = status.stores_failed - len(status.failed_stores)
        yield "", f"and {more} more: `uptill reports failed-stores {status.id}`"
    yield "time zones", f"database {status.tzdata_version or '-'}"
    for file in status.files:
        yield file.name, file.url


def _show_progress(status: ReportStatus) -> str:
    return f"{status.progress.stores_done}/{status.progress.stores_total}"
