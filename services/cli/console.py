"""What the commands print with: results on standard output, everything about them on standard error."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn

import typer
from pydantic import TypeAdapter
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape

from shared.exit_codes import ExitCode

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)
_silenced = False

Json = Annotated[bool, typer.Option("--json", help="Print JSON, with the field names of the API.")]


def silence() -> None:
    """Print no notes and no progress from now on (`uptill -q`)."""
    global _silenced  # noqa: PLW0603  one per process, as standard error is
    _silenced = True


def shows_progress() -> bool:
    """Return whether somebody watches standard error and wants to see progress."""
    return stderr.is_terminal and not _silenced


def print_json(value: object) -> None:
    """Print dataclasses as one JSON document, with the field names of the API."""
    print(TypeAdapter(Any).dump_json(value, indent=2).decode())


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A line a row, however narrow the terminal is: ids stay whole, and other programs can read it."""
    lines = [titles, *([_printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(set_cell_size, line, widths)).rstrip())


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)


def note(message: str) -> None:
    """Say something beside the result."""
    if _silenced:
        return
    stderr.print(escape(message), style="dim", soft_wrap=True)


def print_error(message: str) -> None:
    """Print what went wrong."""
    stderr.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def fail(message: str, *, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Print what went wrong and end the command with an exit code."""
    print_error(message)
    raise typer.Exit(code)
