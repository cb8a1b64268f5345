"""The `uptill` command. `commands.py` lists the subcommands; each is imported when it is called."""

from typing import Annotated

import typer

from services.cli.lazy import LazyGroup
from shared.command import run_command

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain-text help: rich takes four times as long.
    rich_markup_mode=None,
    help="Measure how long each store was up and down within its opening hours.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        # Slow to import, and only this option needs it.
        from importlib.metadata import version  # noqa: PLC0415

        print(f"uptill {version('uptill')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print only results and errors: no notes, no progress.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Also log HTTP calls and debug messages to stderr.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Apply the options that all commands share."""
    del version
    if quiet and verbose:
        raise typer.BadParameter("-q and -v cannot be used together")
    if quiet or verbose:
        # Imported here because --help does not need it.
        from services.cli.verbosity import set_verbosity  # noqa: PLC0415

        set_verbosity(quiet=quiet)


def main() -> None:
    """Run the command; the entry point of the package."""
    run_command(lambda: app(prog_name="uptill"))
