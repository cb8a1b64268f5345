"""`uptill ingest PATH…`: load what the paths name and print the outcome; with `--watch`, keep loading new files."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from threading import Event
from types import FrameType
from typing import Annotated
from uuid import UUID

import structlog
import typer
from rich.console import Console
from rich.markup import escape

from services.ingest.parse.reading import Reading
from services.ingest.quality_warnings import list_warnings
from services.ingest.reading_options import AssumeUtc, DateFormat, DryRun, EffectiveFrom, StatusWords
from services.ingest.run import Limits, LoadOptions, LoadProgress, ingest_paths, load_source, plan_paths
from services.ingest.run.progress import OnProgress
from services.ingest.show import print_results
from services.ingest.show_plan import escape_unprintable
from services.ingest.show_progress import show_progress_bar, show_progress_lines
from services.ingest.sources.find import is_collection
from services.ingest.sources.source import Source
from services.ingest.watch import Watcher
from services.ingest.write.import_result import ImportResult
from services.ingest.write.step import Step
from shared.errors import UptillError
from shared.exit_codes import INTERRUPTED, exit_code_of
from shared.explain import explain
from shared.settings import Settings, load_command_settings
from shared.telemetry import configure_logging, log_to_people

STOPPED_DRY_RUN = "stopped. It was a dry run: nothing was changed."
_LOGGED_COUNTS = ("rows_read", "accepted", "duplicate", "corrected", "rejected", "seconds")


def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="CSV files, also as .gz or .zip; folders, patterns, s3://bucket/key, s3://bucket/prefix/,"
            " sftp://user@host/folder; or - for standard input.",
        ),
    ],
    *,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Keep loading new files of one folder or prefix, until Ctrl-C."),
    ] = False,
    reject_limit: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of a chunk's rows that may be rejected before an import stops. Default: UPTILL_REJECT_LIMIT.",
        ),
    ] = None,
    allow_odd_ids: Annotated[
        bool,
        typer.Option(
            "--allow-odd-ids",
            help="Accept store ids such as 8E5, 12345.0 or NULL, which spreadsheets write in place of an id."
            " Default: UPTILL_ALLOW_ODD_IDS.",
        ),
    ] = False,
    status: StatusWords = None,
    date_format: DateFormat = "",
    assume_utc: AssumeUtc = False,
    effective_from: EffectiveFrom = "",
    dry_run: DryRun = False,
) -> None:
    """Load files: polls, opening hours, time zones and more.

    Every row is counted as accepted, duplicate, corrected or rejected.
    """
    if not all(path.strip() for path in paths):
        raise typer.BadParameter("a path is empty: name a file or a folder (a folder that you are in is .)")
    if watch and not (len(paths) == 1 and is_collection(paths[0])):
        raise typer.BadParameter(
            "--watch takes one folder, one s3://bucket/prefix/ or one sftp://user@host/folder"
        )
    if dry_run and (watch or "-" in paths):
        raise typer.BadParameter("--dry-run works neither with --watch nor with standard input: name files")
    stderr = Console(stderr=True, highlight=False, emoji=False)
    try:
        settings = load_command_settings("database_url")
        if reject_limit is not None:
            settings = settings.model_copy(update={"reject_limit": reject_limit})
        if allow_odd_ids:
            settings = settings.model_copy(update={"allow_odd_ids": True})
        words = settings.status_words if status is None else status
        reading = Reading.parse(words, date_format, assume_utc=assume_utc, effective_from=effective_from)
        if watch:
            _watch_path(paths[0], settings, reading)
        else:
            _load_paths(paths, settings, reading, stderr, dry_run=dry_run)
    except UptillError as error:
        stderr.print(f"[bold red]error:[/] {escape(explain(error))}", soft_wrap=True)
        raise typer.Exit(exit_code_of(error)) from None


def _load_paths(
    paths: list[str], settings: Settings, reading: Reading, stderr: Console, *, dry_run: bool
) -> None:
    log_to_people()
    results: list[ImportResult] = []
    try:
        with _choose_progress(stderr, settings) as on_progress:
            load = plan_paths if dry_run else ingest_paths
            load(
                settings.database_url.get_secret_value(),
                paths,
                settings=settings,
                options=LoadOptions(Limits.from_settings(settings), reading, on_progress),
                on_result=results.append,
                on_left_out=lambda one: stderr.print(
                    f"[bold yellow]left out:[/] {escape(f'{escape_unprintable(one.name)}: {one.reason}')}",
                    soft_wrap=True,
                ),
            )
    except KeyboardInterrupt:
        stderr.print(STOPPED_DRY_RUN if dry_run else _describe_stop(results), soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        print_results(Console(highlight=False, emoji=False), stderr, results, dry_run=dry_run)
    if any(result.state != "succeeded" for result in results):
        raise typer.Exit(1)


def _choose_progress(stderr: Console, settings: Settings) -> AbstractContextManager[OnProgress]:
    if settings.log_level == "ERROR":  # `uptill -q`
        return nullcontext(lambda _: None)
    return show_progress_bar(stderr) if stderr.is_terminal else show_progress_lines(stderr)


def _describe_stop(results: Sequence[ImportResult]) -> str:
    """Return what Ctrl-C left behind: how many files are loaded, and how to go on."""
    loaded = sum(result.state == "succeeded" for result in results)
    complete = "No file is" if not loaded else "1 file is" if loaded == 1 else f"{loaded} files are"
    return (
        f"stopped. {complete} loaded completely. Of the others, only chunks of polls that were committed take effect; run"
        " the same command again to load the rest."
    )


def _watch_path(path: str, settings: Settings, reading: Reading) -> None:
    configure_logging("ingest", settings.log_level)
    log = structlog.get_logger("ingest")
    url = settings.database_url.get_secret_value()
    stop = Event()

    def stop_after_chunk(_: LoadProgress) -> None:
        if stop.is_set():
            raise KeyboardInterrupt("the watch was stopped; it goes on when it starts again")

    options = LoadOptions(Limits.from_settings(settings), reading, stop_after_chunk)

    def load_and_log(source: Source, import_id: UUID | None, step: Step) -> ImportResult:
        result = load_source(url, source, import_id, step, options=options)
        if result.state == "running":
            return result
        counts = {name: getattr(result, name) for name in _LOGGED_COUNTS}
        log.info("imported", source=result.source, state=result.state, error=result.error, **counts)
        for warning in list_warnings(result.quality or {}):
            log.warning("import_note", source=result.source, note=warning)
        return result

    with _set_on_signals(stop), suppress(KeyboardInterrupt):
        Watcher(path, settings, load_and_log, reading).watch_until(stop)
    log.info("stopped", path=path)


@contextmanager
def _set_on_signals(stop: Event) -> Iterator[None]:
    """Set the event on SIGINT and SIGTERM while the block runs."""

    def handle_signal(number: int, _: FrameType | None) -> None:
        del number
        stop.set()

    before = {number: signal.signal(number, handle_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
