"""`uptill report`: trigger by HTTP, follow the progress, download."""

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.client import ReportStatus, UptillClient
from services.cli.connection import api_client
from services.cli.console import fail, note, stderr, stdout
from shared.uptime.policy import DEFAULT_POLICY, POLICIES

_HEAD_ROWS = 10
_PROGRESS_EVERY_S = 0.5

PolicyName = StrEnum("PolicyName", {name: name for name in POLICIES})  # type: ignore[misc] # made from the registry


class Format(StrEnum):
    """File formats of a report."""

    CSV = "csv"


def report(
    as_of: Annotated[
        str,
        typer.Option(help="End of the windows: an instant such as 2024-10-14T18:00:00Z, `latest` or `now`."),
    ] = "latest",
    policy: Annotated[PolicyName, typer.Option(help="How polls become uptime.")] = PolicyName(DEFAULT_POLICY),
    detail: Annotated[
        bool, typer.Option("--detail", help="Also unknown time, bounds, polls, time zones.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Compute anew even if nothing has changed since the last one.")
    ] = False,
    file_format: Annotated[Format, typer.Option("--format", help="File format.")] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; `-` for standard output.")
    ] = None,
) -> None:
    """Make a report and download it.

    Without -o a terminal shows the first rows and a link; anything else receives the file.
    """
    with api_client() as client:
        status = _follow(client, as_of=as_of, policy=policy.value, detail=detail, force=force)
        if status.state != "succeeded":
            cause = (status.error or {}).get("detail", "no cause was given")
            fail(f"report {status.id} {status.state}: {cause}")
        _deliver(client, status, next(file for file in status.files if file["format"] == file_format), output)


def _follow(client: UptillClient, **parameters: Any) -> ReportStatus:
    accepted = status = client.create_report(**parameters)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("stores"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task(f"report {accepted.id}", total=accepted.stores_total)
        for status in client.follow(accepted.id, every_s=_PROGRESS_EVERY_S if stderr.is_terminal else 20):
            progress.update(task, completed=status.stores_done)
    return status


def _deliver(client: UptillClient, status: ReportStatus, file: dict[str, Any], output: Path | None) -> None:
    if output is not None and str(output) != "-":
        size_bytes = client.save(file, output)
        note(
            f"{output}: {file['rows']} stores, {size_bytes} bytes, as of {status.as_of}, policy {status.policy}"
        )
    elif output is None and stdout.is_terminal:
        _show_head(client, status, file)
    else:
        client.download(file, sys.stdout.buffer)


def _show_head(client: UptillClient, status: ReportStatus, file: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    client.download(file, buffer)
    lines = buffer.getvalue().decode().splitlines()
    for line in lines[: _HEAD_ROWS + 1]:
        print(line)  # not through rich: neither rows nor a link may be wrapped
    note(
        f"{min(_HEAD_ROWS, file['rows'])} of {file['rows']} stores, as of {status.as_of}, policy {status.policy}"
    )
    note(f"all of them: `uptill report -o report.csv`, or until {file['expires_at']}:")
    print(file["url"])
