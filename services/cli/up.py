"""`uptill up`: the whole stack in the foreground, on embedded servers."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from services.cli.console import fail, note, print_error
from services.cli.up_summary import show_summary
from services.local.stack import StackOptions, run_stack
from services.local.stop_signals import StopFlag, StopRequested
from shared.errors import ConfigurationError, UptillError
from shared.exit_codes import ExitCode
from shared.explain import explain, name_os_error
from shared.settings import DEFAULT_DATA_DIR, load_settings
from shared.telemetry import log_to_people


def up(
    data: Annotated[Path, typer.Option(help="Folder for data, logs and settings.")] = DEFAULT_DATA_DIR,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the API.")] = 8000,
    ingest_port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the ingest service.")] = 8001,
    workers: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = 2,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_000,
            help="Serve metrics: the API on this port, then the ingest service, the scheduler and each worker on the next ones. Default: none.",
        ),
    ] = None,
) -> None:
    """Run the whole stack on this machine until Ctrl-C.

    Starts embedded PostgreSQL, Valkey and SeaweedFS servers, the API, the ingest service, a scheduler and the
    workers. The data stays in the folder for the next start.
    """
    log_to_people()
    _check_environment()
    options = StackOptions(
        data=data, port=port, ingest_port=ingest_port, workers=workers, metrics_port=metrics_port
    )
    raise typer.Exit(run_up(options))


def _check_environment() -> None:
    """End the command if a setting that its services would inherit is invalid."""
    try:
        load_settings()
    except ConfigurationError as error:
        fail(str(error), code=ExitCode.WRONG_USE)


def run_up(options: StackOptions) -> int:
    """Run the stack until asked to stop, and print what happens. Return the exit code."""
    began_s = time.monotonic()

    def say_ready(settings: Mapping[str, str]) -> None:
        show_summary(options.data.resolve(), settings, time.monotonic() - began_s)

    with StopFlag() as stop:
        try:
            run_stack(options, stop, note, say_ready)
        except StopRequested:
            note("stopped")
        except UptillError as error:
            print_error(explain(error))
            return ExitCode.FAILED
        except OSError as error:
            print_error(name_os_error(error))
            return ExitCode.FAILED
    return 0
