"""What the commands print with: results on standard output, everything about them on standard error."""

from collections.abc import Iterable, Sequence
from typing import NoReturn

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


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
    stderr.print(escape(message), style="dim", soft_wrap=True)


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Say what went wrong and end the command."""
    stderr.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)
