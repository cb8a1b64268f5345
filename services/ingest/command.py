"""`uptill ingest PATH…`: load what the paths name and print the outcome; with `--watch`, keep loading new files."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from threading import Event
from types import FrameType
from typing import Annotated
from uuid import UUID

import structlog
import typer
from rich.console import Console
from rich.markup import escape

from services.ingest.parse.adjustments import parse_date
from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.run import Limits, LoadProgress, ingest_paths, load_source
from services.ingest.show import escape_unprintable, print_results, show_progress_bar, show_progress_lines
from services.ingest.sources.find import is_collection
from services.ingest.sources.source import Source
from services.ingest.watch import Watcher
from services.ingest.write.import_result import ImportResult
from shared.errors import UptillError
from shared.exit_codes import exit_code_of
from shared.settings import Settings, load_settings, stack_env_file
from shared.telemetry import configure_logging

_LOGGED_COUNTS = ("rows_read", "accepted", "duplicate", "corrected", "rejected", "seconds")


def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="CSV files, also as .gz or .zip; folders, patterns, s3://bucket/key, s3://bucket/prefix/; or - for"
            " standard input.",
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
    effective_from: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="First local date of the hours in these files, as 2024-12-25, for rows without a date of their own."
            " Default: they replace the hours without a date.",
        ),
    ] = None,
) -> None:
    """Load polls, opening hours, time zones, special hours, lifetimes and closures from files.

    Every row is counted as accepted, duplicate, corrected or rejected.
    """
    if watch and not (len(paths) == 1 and is_collection(paths[0])):
        raise typer.BadParameter("--watch takes one folder or one s3://bucket/prefix/")
    start = parse_date(effective_from) if effective_from is not None else None
    if effective_from is not None and start is None:
        raise typer.BadParameter(f"--effective-from: {effective_from!r} is not a date: {ROW_REASONS['date']}")
    stderr = Console(stderr=True, highlight=False)
    try:
        settings = load_settings(stack_env_file()).require("database_url")
        if reject_limit is not None:
            settings = settings.model_copy(update={"reject_limit": reject_limit})
        if watch:
            _watch_path(paths[0], settings, start)
        else:
            _load_paths(paths, settings, stderr, start)
    except UptillError as error:
        stderr.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(exit_code_of(error)) from None


def _load_paths(paths: list[str], settings: Settings, stderr: Console, effective_from: date | None) -> None:
    results: list[ImportResult] = []
    show_progress = (
        show_progress_bar(stderr)
        if stderr.is_terminal and settings.log_level != "ERROR"
        else show_progress_lines(settings.log_level)
    )
    try:
        with show_progress as on_progress:
            ingest_paths(
                settings.database_url.get_secret_value(),
                paths,
                settings=settings,
                limits=replace(Limits.from_settings(settings), effective_from=effective_from),
                on_progress=on_progress,
                on_result=results.append,
                on_left_out=lambda one: stderr.print(
                    f"[bold yellow]left out:[/] {escape(f'{escape_unprintable(one.name)}: {one.reason}')}",
                    soft_wrap=True,
                ),
            )
    except KeyboardInterrupt:
        stderr.print("stopped; committed chunks stay, and the same command resumes after them")
        raise typer.Exit(1) from None
    finally:
        print_results(Console(highlight=False), stderr, results)
    if any(result.state != "succeeded" for result in results):
        raise typer.Exit(1)


def _watch_path(path: str, settings: Settings, effective_from: date | None) -> None:
    configure_logging("ingest", settings.log_level)
    log = structlog.get_logger("ingest")
    url = settings.database_url.get_secret_value()
    limits = replace(Limits.from_settings(settings), effective_from=effective_from)
    stop = Event()

    def stop_after_chunk(_: LoadProgress) -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def load_and_log(source: Source, import_id: UUID | None, delivery_id: UUID | None) -> ImportResult:
        result = load_source(url, source, import_id, delivery_id, on_progress=stop_after_chunk, limits=limits)
        if result.state == "running":
            return result
        counts = {name: getattr(result, name) for name in _LOGGED_COUNTS}
        log.info("imported", source=result.source, state=result.state, error=result.error, **counts)
        return result

    with _set_on_signals(stop), suppress(KeyboardInterrupt):
        Watcher(path, settings, load_and_log).watch_until(stop)
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
