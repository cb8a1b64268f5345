"""The `uptill` command. Subcommands are listed in `commands.py` and imported when they are called."""

from typing import Annotated

import typer

from services.cli.lazy import LazyGroup

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help as plain text: with rich it takes four times as long.
    rich_markup_mode=None,
    help="How long was each store up and down within its opening hours?",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  slow

        print(f"uptill {version('uptill')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print results and errors only: no notes, no progress.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Also log each HTTP call, and debug messages, to stderr.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Set what all commands share."""
    del version
    if quiet and verbose:
        raise typer.BadParameter("-q and -v exclude each other")
    if quiet or verbose:
        from services.cli.verbosity import set_verbosity  # noqa: PLC0415  --help needs none of it

        set_verbosity(quiet=quiet)


def main() -> None:
    """Run the command; the entry point of the package."""
    app(prog_name="uptill")
