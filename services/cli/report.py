"""`uptill report`: create a report through the API, follow its progress, download it."""

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from services.cli.connection import api_client
from services.cli.console import (
    fail,
    instant,
    is_terminal,
    labels_text,
    note,
    print_warning,
    say,
    shows_progress,
    stderr,
)
from services.cli.follow import PROGRESS_EVERY_S, show_progress
from services.cli.output_file import check_output, unwinding_on_signals, write_errors_named
from services.cli.parameters import (
    Detail,
    ExcludedReasons,
    Files,
    Format,
    Labels,
    Output,
    Policy,
    PolicyName,
    Stores,
    Windows,
    labels_of,
)
from shared.exit_codes import INTERRUPTED, ExitCode
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import FILES, FORMATS, ReportFile, ReportStatus, UptillClient

_HEAD_ROWS = 10
_FAILED_SHOWN = 5
# The path of each file, by kind and format. None: the terminal, or standard output.
Outputs = Mapping[tuple[str, str], Path | None]


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
    files: Files = None,
    exclude_reason: ExcludedReasons = None,
    output: Output = None,
) -> None:
    """Make a report and download it.

    Without -o, a terminal shows the first rows and a download link; a pipe or a file gets the whole report. The -o file
    is checked first, and an existing file is replaced once the new one is complete. After Ctrl-C the report continues.
    """
    formats = _choose_formats(file_format, output)
    kinds = [kind for kind in FILES if kind == "report" or kind in (files or [])]
    outputs = _choose_outputs(kinds, formats, output)
    labels = labels_of(label)
    with api_client() as client:
        accepted = client.create_report(
            as_of=as_of,
            policy=policy.value,
            windows=window,
            store_ids=store,
            labels=labels,
            formats=formats,
            files=kinds,
            detail=detail,
            force=force,
            exclude_reasons=exclude_reason,
        )
        if not accepted.progress.stores_total and labels:
            fail(f"no polled store has {labels_text(labels)}: `uptill stores list` shows the labels")
        if not accepted.progress.stores_total and not store:
            fail(
                "no polls yet: load some with `uptill ingest` (a key for some stores sees only the polls of these)"
            )
        with telling_how_to_fetch(accepted.id):
            _deliver_all(client, _follow_report(client, accepted), outputs)


def download_report(client: UptillClient, report_id: str, output: Path | None) -> None:
    """Deliver the files of an existing report, as `report` does for a new one. Waits until it has ended."""
    status = client.get_report(report_id)
    if output and str(output) != "-":
        outputs = _choose_outputs(status.requested_files, status.formats, output)
    else:
        outputs = {("report", "csv"): output}
    with telling_how_to_fetch(report_id):
        _deliver_all(client, _follow_report(client, status), outputs)


@contextmanager
def telling_how_to_fetch(report_id: str) -> Iterator[None]:
    """On Ctrl-C say that the report continues, and how to get it. Exit with status 130."""
    try:
        with unwinding_on_signals():
            yield
    except KeyboardInterrupt:
        say(
            f"stopped. Report {report_id} continues without this command. To download it:"
            f" `uptill reports download {report_id} -o report.csv`; to cancel it: `uptill reports cancel {report_id}`"
        )
        raise typer.Exit(INTERRUPTED) from None


def _deliver_all(client: UptillClient, status: ReportStatus, outputs: Outputs) -> None:
    if status.state != "succeeded":
        cause = (status.error or {}).get("detail", "the API gave no reason")
        fail(f"report {status.id} is {status.state}: {cause}")
    for lost in status.lost_files:
        fail(lost.detail)
    _warn_of_failed_stores(status)
    for (kind, file_format), output in outputs.items():
        _deliver_files(client, status, status.file(file_format, kind), output)


def _choose_outputs(kinds: Sequence[str], formats: Sequence[str], output: Path | None) -> Outputs:
    """Return the file of each kind and format; None for standard output or the terminal. Checks that each can be written."""
    if output is None or str(output) == "-":
        if len(kinds) > 1 and (output is not None or not is_terminal()):
            fail(
                "several files need -o FILE, because standard output can hold only one",
                code=ExitCode.WRONG_USE,
            )
        return {(kind, name): output for kind in kinds for name in _formats_of(kind, formats)}
    outputs: dict[tuple[str, str], Path | None] = {}
    for kind in kinds:
        of_kind = _formats_of(kind, formats)
        for name in of_kind:
            is_named = list(of_kind) == list(formats) and len(formats) == 1
            path = output if is_named else output.with_suffix(f".{name}")
            path = path if kind == "report" else path.with_name(f"{path.stem}-{kind}{path.suffix}")
            check_output(path)
            outputs[kind, name] = path
    return outputs


def _formats_of(kind: str, formats: Sequence[str]) -> Sequence[str]:
    """Return the formats of one kind of file. Only the report itself is printed, so the others are CSV at least."""
    return formats if kind == "report" else [name for name in formats if name != "pdf"] or ["csv"]


def _choose_formats(given: list[Format] | None, output: Path | None) -> list[str]:
    ending = output.suffix.removeprefix(".") if output is not None else ""
    if ending and not given and ending not in FORMATS:
        endings = ", ".join(f".{name}" for name in FORMATS)
        fail(
            f"-o {output}: a report cannot have the ending .{ending}: use one of {endings}, or name the --format",
            code=ExitCode.WRONG_USE,
        )
    chosen = [each.value for each in given or []] or [ending or "csv"]
    if len(chosen) > 1 and (output is None or str(output) == "-"):
        fail(
            "several formats need -o FILE, because standard output can hold only one", code=ExitCode.WRONG_USE
        )
    return list(dict.fromkeys(chosen))


def _follow_report(client: UptillClient, accepted: ReportStatus) -> ReportStatus:
    states = client.follow(accepted.id, every_s=PROGRESS_EVERY_S if shows_progress() else 20)
    return show_progress(
        f"report {accepted.id}", states, lambda each: (each.progress.stores_done, each.progress.stores_total)
    )


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
        with write_errors_named(str(output), status.id):
            size_bytes = client.save(file, output)
        note(f"wrote {output}: {_count_rows(file)}, {size_bytes:,} bytes, {_seen_from(status)}")
    elif output is None and is_terminal():
        _show_progress(client, status, file)
    else:
        with write_errors_named("to standard output", status.id):
            client.download(file, sys.stdout.buffer)
            sys.stdout.flush()


def _show_progress(client: UptillClient, status: ReportStatus, file: ReportFile) -> None:
    if file.format == "csv":
        buffer = io.BytesIO()
        client.download(file, buffer)
        for line in buffer.getvalue().decode().splitlines()[: _HEAD_ROWS + 1]:
            # Not through rich, which would wrap rows and links.
            print(line)
        note(f"first {min(_HEAD_ROWS, file.rows)} of {_count_rows(file)}, {_seen_from(status)}")
    note(
        f"whole file: `uptill reports download {status.id} -o report.csv`, or this link (valid until"
        f" {instant(file.expires_at)}):"
    )
    print(file.url)


def _count_rows(file: ReportFile) -> str:
    what = {"report": "store", "outages": "outage"}.get(file.kind, "row")
    return f"{file.rows:,} {what}" + ("" if file.rows == 1 else "s")


def _seen_from(status: ReportStatus) -> str:
    return f"as of {instant(status.as_of)}, policy {status.policy}"
