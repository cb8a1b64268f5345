"""`uptill report`: create a report through the API, follow its progress, download it."""

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.connection import api_client
from services.cli.console import fail, instant, note, print_warning, shows_progress, stderr, stdout
from services.cli.parameters import Detail, Format, Labels, Policy, PolicyName, Stores, Windows, labels_of
from shared.exit_codes import ExitCode
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import FORMATS, ReportFile, ReportStatus, UptillClient

_HEAD_ROWS = 10
_FAILED_SHOWN = 5
_PROGRESS_EVERY_S = 0.5


def report(
    as_of: Annotated[
        str,
        typer.Option(
            help="End of the windows: an instant such as 2024-10-14T18:00:00Z, `now`, or `latest` (the newest poll)."
        ),
    ] = "latest",
    policy: Policy = PolicyName(DEFAULT_POLICY),
    window: Windows = None,
    store: Stores = None,
    label: Labels = None,
    detail: Detail = False,
    force: Annotated[
        bool, typer.Option("--force", help="Compute the report again even if its data has not changed.")
    ] = False,
    file_format: Annotated[
        list[Format] | None,
        typer.Option("--format", help="Repeatable. Default: the ending of the -o file, or csv."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write, or `-` for standard output. With several formats, each gets its own ending.",
        ),
    ] = None,
) -> None:
    """Make a report and download it.

    Without -o, a terminal shows the first rows and a download link; a pipe or a file gets the whole report.
    """
    formats = _choose_formats(file_format, output)
    labels = labels_of(label)
    with api_client() as client:
        status = _follow_report(
            client,
            as_of=as_of,
            policy=policy.value,
            windows=window,
            store_ids=store,
            labels=labels,
            formats=formats,
            detail=detail,
            force=force,
        )
        if status.state != "succeeded":
            cause = (status.error or {}).get("detail", "the API gave no reason")
            fail(f"report {status.id} is {status.state}: {cause}")
        for lost in status.lost_files:
            fail(lost.detail)
        _warn_of_failed_stores(status)
        for name in formats:
            several = len(formats) > 1 and output is not None
            _deliver_files(
                client,
                status,
                status.file(name),
                output.with_suffix(f".{name}") if several and output else output,
            )


def _choose_formats(given: list[Format] | None, output: Path | None) -> list[str]:
    ending = output.suffix.removeprefix(".") if output is not None else ""
    chosen = [each.value for each in given or []] or [ending if ending in FORMATS else "csv"]
    if len(chosen) > 1 and (output is None or str(output) == "-"):
        fail(
            "several formats need -o FILE, because standard output can hold only one", code=ExitCode.WRONG_USE
        )
    return list(dict.fromkeys(chosen))


def _follow_report(client: UptillClient, **parameters: Any) -> ReportStatus:
    accepted = status = client.create_report(**parameters)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("stores"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not shows_progress()) as progress:
        task = progress.add_task(f"report {accepted.id}", total=accepted.progress.stores_total)
        for status in client.follow(accepted.id, every_s=_PROGRESS_EVERY_S if shows_progress() else 20):
            progress.update(task, completed=status.progress.stores_done)
    return status


def _warn_of_failed_stores(status: ReportStatus) -> None:
    """Name the stores without a row, also with `-q`: the file alone does not show that they are missing."""
    if not status.stores_failed:
        return
    some = status.failed_stores[:_FAILED_SHOWN]
    print_warning(
        f"{status.stores_failed} of {status.progress.stores_total} stores could not be computed and have no row"
    )
    for store in some:
        stderr.print(escape(f"  {store.store_id}: {store.detail}"), soft_wrap=True)
    if status.stores_failed > len(some):
        stderr.print(
            f"  and {status.stores_failed - len(some)} more: `uptill reports failed-stores {status.id}`"
        )


def _deliver_files(client: UptillClient, status: ReportStatus, file: ReportFile, output: Path | None) -> None:
    if output is not None and str(output) != "-":
        size_bytes = client.save(file, output)
        note(f"wrote {output}: {file.rows:,} stores, {size_bytes:,} bytes, {_seen_from(status)}")
    elif output is None and stdout.is_terminal:
        _show_progress(client, status, file)
    else:
        client.download(file, sys.stdout.buffer)


def _show_progress(client: UptillClient, status: ReportStatus, file: ReportFile) -> None:
    if file.format == "csv":
        buffer = io.BytesIO()
        client.download(file, buffer)
        for line in buffer.getvalue().decode().splitlines()[: _HEAD_ROWS + 1]:
            # Not through rich, which would wrap rows and links.
            print(line)
        note(f"first {min(_HEAD_ROWS, file.rows)} of {file.rows:,} stores, {_seen_from(status)}")
    note(
        f"whole report: `uptill report -o {file.name}`, or this link (valid until {instant(file.expires_at)}):"
    )
    print(file.url)


def _seen_from(status: ReportStatus) -> str:
    return f"as of {instant(status.as_of)}, policy {status.policy}"
