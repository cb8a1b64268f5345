"""`uptill ingest PATH…`: loads what the paths name, and says what became of every row; with `--watch` it goes on and on."""

import signal
from contextlib import suppress
from threading import Event
from types import FrameType
from typing import Annotated
from uuid import UUID

import structlog
import typer
from rich.console import Console
from rich.markup import escape

from services.ingest.load_stored import load_stored
from services.ingest.run import load_source
from services.ingest.show import print_results, progress_bar, progress_lines
from services.ingest.sources.find import Source, find, is_collection
from services.ingest.watch import Watcher
from services.ingest.write.limits import Limits
from services.ingest.write.outcome import ImportResult, Progress
from shared.errors import UptillError
from shared.exit_codes import exit_code_of
from shared.settings import Settings, load_settings, stack_env_file
from shared.telemetry import configure_logging

_COUNTED = ("rows_read", "accepted", "duplicate", "corrected", "rejected", "seconds")


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
        typer.Option(
            "--watch", help="Go on loading what is added to the one folder or prefix, until Ctrl-C."
        ),
    ] = False,
    reject_limit: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of a chunk's rows that may be rejected before an import stops. Default: UPTILL_REJECT_LIMIT.",
        ),
    ] = None,
) -> None:
    """Load polls, opening hours and time zones from files.

    Every row is accepted, duplicate, corrected or rejected, and counted as such.
    """
    if watch and not (len(paths) == 1 and is_collection(paths[0])):
        raise typer.BadParameter("--watch takes one folder or one s3://bucket/prefix/")
    stderr = Console(stderr=True, highlight=False)
    try:
        settings = load_settings(stack_env_file()).require("database_url")
        if reject_limit is not None:
            settings = settings.model_copy(update={"reject_limit": reject_limit})
        if watch:
            _watch(paths[0], settings)
        else:
            _load(paths, settings, stderr)
    except UptillError as error:
        stderr.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(exit_code_of(error)) from None


def _load(paths: list[str], settings: Settings, stderr: Console) -> None:
    results: list[ImportResult] = []
    url, limits = settings.database_url.get_secret_value(), Limits.of(settings)
    try:
        with (
            progress_bar(stderr)
            if stderr.is_terminal and settings.log_level != "ERROR"
            else progress_lines(settings.log_level) as on_progress
        ):

            def load(source: Source, import_id: UUID | None) -> ImportResult:
                return load_source(url, source, on_progress=on_progress, limits=limits, import_id=import_id)

            results.extend(
                load_stored(url, [stored for path in paths for stored in find(path, settings)], load)
            )
    except KeyboardInterrupt:
        stderr.print("stopped; the chunks that were committed stay, and the same command goes on behind them")
        raise typer.Exit(1) from None
    finally:
        print_results(Console(highlight=False), stderr, results)
    if any(result.state != "succeeded" for result in results):
        raise typer.Exit(1)


def _watch(path: str, settings: Settings) -> None:
    configure_logging("ingest", settings.log_level)
    log = structlog.get_logger("ingest")
    url, limits = settings.database_url.get_secret_value(), Limits.of(settings)
    stop = Event()

    def end_after_this_chunk(_: Progress) -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def load(source: Source, import_id: UUID | None) -> ImportResult:
        result = load_source(
            url, source, on_progress=end_after_this_chunk, limits=limits, import_id=import_id
        )
        counts = {name: getattr(result, name) for name in _COUNTED}
        log.info("imported", source=result.source, state=result.state, error=result.error, **counts)
        return result

    def end(number: int, _: FrameType | None) -> None:
        del number
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with suppress(KeyboardInterrupt):
            Watcher(path, settings, load).run(stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    log.info("stopped", path=path)
