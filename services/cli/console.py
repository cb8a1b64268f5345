"""Output of the commands: results on standard output, notes, progress and errors on standard error."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from shared.exit_codes import ExitCode

stdout = Console(highlight=False, emoji=False)
stderr = Console(stderr=True, highlight=False, emoji=False)
_silenced = False

Json = Annotated[bool, typer.Option("--json", help="Print JSON with the field names of the API.")]


def silence() -> None:
    """Print no notes and no progress from now on (`uptill -q`)."""
    # One flag per process, as there is one standard error.
    global _silenced  # noqa: PLW0603
    _silenced = True


def shows_progress() -> bool:
    """Return whether to show progress: standard error is a terminal, and the user did not pass `-q`."""
    return stderr.is_terminal and not _silenced


def print_json(value: object) -> None:
    """Print dataclasses as one JSON document with the field names of the API."""
    print(TypeAdapter(Any).dump_json(value, indent=2).decode())


def terminal_width() -> int | None:
    """Return the width of the terminal; None in a pipe or a file, whose lines are whole whatever FORCE_COLOR says."""
    return stdout.width if is_terminal() else None


def is_terminal() -> bool:
    """Return whether a person sees standard output. Colours can be forced for a pipe too, so they do not tell."""
    return stdout.file.isatty()


def print_text(text: str | Text, style: str = "") -> None:
    """Print a line, which a terminal folds at spaces and a pipe gets whole."""
    stdout.print(Text(text, style) if isinstance(text, str) else text, soft_wrap=not is_terminal())


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print one line per field, its name and its value. Values are not cut."""
    named = [(name, make_printable(value)) for name, value in fields]
    width = max(len(name) for name, _ in named)
    for name, value in named:
        print(f"{name:{width}}  {value}".rstrip())


def minute(at: datetime | None) -> str:
    """Format an instant in UTC to the minute; `-` for None."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else "-"


def minutes_between(first: datetime, last: datetime) -> str:
    """Format two instants in UTC to the minute. Leave out what the second one repeats."""
    begin, end = minute(first), minute(last)
    if begin == end:
        return begin
    return f"{begin} to {end.removeprefix(begin.partition(' ')[0]).strip()}"


def instant(at: datetime) -> str:
    """Format an instant exactly, as the API does and as `--as-of` accepts it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def labels_text(labels: Mapping[str, str]) -> str:
    """Format labels as they are given on the command line."""
    return " ".join(f"{name}={value}" for name, value in labels.items())


def make_printable(text: str) -> str:
    """Replace characters that could forge lines or move the cursor."""
    return "".join(each if each.isprintable() else "?" for each in text)


def note(message: str) -> None:
    """Print a remark about the result to standard error, unless the user passed `-q`."""
    if _silenced:
        return
    stderr.print(escape(message), style="dim", soft_wrap=True)


def print_warning(message: str) -> None:
    """Print a warning to standard error, also with `-q`."""
    stderr.print(f"[bold yellow]warning:[/] {escape(message)}", soft_wrap=True)


def say(message: str) -> None:
    """Print what the user must know to standard error, even after `-q`."""
    stderr.print(escape(message), soft_wrap=True)


def print_error(message: str) -> None:
    """Print an error to standard error."""
    stderr.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def fail(message: str, *, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Print an error and end the command with an exit code."""
    print_error(message)
    raise typer.Exit(code)
