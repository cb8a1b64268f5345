"""What the commands print with: results on standard output, everything about them on standard error."""

from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def note(message: str) -> None:
    """Say something beside the result."""
    stderr.print(escape(message), style="dim", soft_wrap=True)


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Say what went wrong and end the command."""
    stderr.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)
