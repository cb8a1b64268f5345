"""`uptill upload`: send files to the ingest service, wait until they are loaded, and print the outcome."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from services.cli.connection import api_client
from services.cli.console import fail, say, shows_progress, stderr, stdout
from services.ingest.import_result import FirstLoad, ImportResult
from services.ingest.parse.reasons import Reject
from services.ingest.reading_options import AssumeUtc, DateFormat, DryRun, EffectiveFrom, StatusWords
from services.ingest.show import print_results
from services.ingest.show_plan import escape_unprintable
from shared.exit_codes import INTERRUPTED, ExitCode
from shared.explain import name_os_error
from uptill_client import ApiError, ImportStatus, NotReachable, UptillClient
from uptill_client.imports import ReadingOptions
from uptill_client.rejects import PlannedFile

_SHOWN_REJECTS = 5
_READ_REJECTS = 10_000
T = TypeVar("T")


def upload(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="CSV files, also as .gz or .zip. Together one delivery."),
    ],
    url: Annotated[
        str | None, typer.Option(help="Address of the ingest service. Default: UPTILL_INGEST_URL.")
    ] = None,
    *,
    status: StatusWords = None,
    date_format: DateFormat = "",
    assume_utc: AssumeUtc = False,
    effective_from: EffectiveFrom = "",
    dry_run: DryRun = False,
) -> None:
    """Send files to the ingest service and follow their load.

    Prints what `uptill ingest` prints, and needs no access to the database. The key needs the scope ingest:write.
    """
    for file in files:
        _check_file(file)
    reading = ReadingOptions(
        status=status,
        date_format=date_format or None,
        assume_utc=assume_utc,
        effective_from=effective_from or None,
    )
    with api_client(ingest_url=url) as client:
        if dry_run:
            _print_plan(_send_files(client.plan_upload, files, reading))
            return
        accepted = _send_files(client.upload, files, reading)
        with _telling_that_it_continues(accepted.id):
            ended = _follow_import(client, accepted)
        # Members are newest first.
        results = [_as_result(client, each) for each in ended.members[::-1] or [ended]]
    if ended.members:
        for one in (ended.quality or {}).get("left_out", ()):
            stderr.print(
                f"[bold yellow]left out:[/] {escape(escape_unprintable(one['name']))}: {escape(one['reason'])}"
            )
    print_results(stdout, stderr, results)
    if ended.state != "succeeded" or any(each.state != "succeeded" for each in ended.members):
        raise typer.Exit(ExitCode.FAILED)


def _check_file(file: Path) -> None:
    try:
        if file.is_dir():
            fail(f"{file} is a folder: name the files in it", code=ExitCode.WRONG_USE)
        with file.open("rb"):
            pass
    except OSError as error:
        fail(f"cannot read {name_os_error(error)}")


def _print_plan(planned: Sequence[PlannedFile]) -> None:
    results = [_plan_as_result(each) for each in planned]
    print_results(stdout, stderr, results, dry_run=True)
    if any(each.state != "succeeded" for each in results):
        raise typer.Exit(ExitCode.FAILED)


def _plan_as_result(planned: PlannedFile) -> ImportResult:
    # The client takes the states and kinds of later releases too.
    state, kind = cast(Any, planned.state), cast(Any, planned.kind)
    rejects = [
        Reject(each.line, each.byte_offset, each.reason, each.raw.encode()) for each in planned.first_rejects
    ]
    return ImportResult(
        planned.source,
        state,
        kind=kind,
        first_rejects=rejects,
        error=planned.error,
        reason=planned.reason,
        seconds=planned.seconds,
        same_as=UUID(planned.same_as) if planned.same_as else None,
        first_load=FirstLoad(**vars(planned.first_load)) if planned.first_load else None,
        quality=planned.quality,
        **vars(planned.counts),
    )


def _send_files(send: Callable[..., T], files: list[Path], reading: ReadingOptions) -> T:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not shows_progress()) as progress:
        task = progress.add_task("sending", total=sum(file.stat().st_size for file in files))
        return send(*files, on_sent=lambda sent: progress.update(task, completed=sent), **reading)


def _follow_import(client: UptillClient, accepted: ImportStatus) -> ImportStatus:
    ended = accepted
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]} rows"))
    with Progress(*columns, console=stderr, transient=True, disable=not shows_progress()) as progress:
        task = progress.add_task("loading", total=None, rows="0")
        for ended in client.follow_import(accepted.id):
            done = ended.progress
            progress.update(
                task,
                completed=done.bytes_done if done else 0,
                total=done.bytes_total if done else None,
                rows=f"{ended.counts.rows_read:,}",
            )
    return ended


@contextmanager
def _telling_that_it_continues(import_id: str) -> Iterator[None]:
    how = (
        f"Import {import_id} was received and continues without this command: `uptill imports show {import_id}` shows"
        f" its state, `uptill imports cancel {import_id}` cancels it"
    )
    try:
        yield
    except KeyboardInterrupt:
        say(f"stopped. {how}")
        raise typer.Exit(INTERRUPTED) from None
    except NotReachable:
        say(how)
        raise


def _read_first_load(client: UptillClient, import_id: str) -> FirstLoad | None:
    try:
        first = client.get_import(import_id)
    except ApiError:
        # The service has forgotten it.
        return None
    return FirstLoad(first.source, first.started_at or first.created_at, first.counts.rejected)


def _as_result(client: UptillClient, ended: ImportStatus) -> ImportResult:
    """Return the import in the form in which `uptill ingest` prints its own."""
    first = islice(client.rejects(ended.id), _READ_REJECTS) if ended.counts.rejected else ()
    # Valid rows that only another row of their store holds back come last, as after a load.
    shown = sorted(first, key=lambda row: row.reason == "store_incomplete")[:_SHOWN_REJECTS]
    seconds = (
        (ended.finished_at - (ended.started_at or ended.created_at)).total_seconds()
        if ended.finished_at
        else 0
    )
    # The client takes the states and kinds of later releases too.
    state, kind = cast(Any, ended.state), cast(Any, ended.kind)
    return ImportResult(
        ended.source,
        state,
        id=UUID(ended.id),
        kind=kind,
        rows_read=ended.counts.rows_read,
        accepted=ended.counts.accepted,
        duplicate=ended.counts.duplicate,
        corrected=ended.counts.corrected,
        rejected=ended.counts.rejected,
        first_rejects=[Reject(row.line, row.byte_offset, row.reason, row.raw.encode()) for row in shown],
        seconds=seconds,
        error=str(ended.error.get("message", ended.error)) if ended.error else None,
        reason=str(ended.error.get("reason")) if ended.error else None,
        same_as=UUID(ended.same_as) if ended.same_as else None,
        first_load=_read_first_load(client, ended.same_as) if ended.same_as else None,
        quality=ended.quality,
    )
