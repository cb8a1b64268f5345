"""Output of the commands: results on standard output, notes, progress and errors on standard error."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
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


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one line per row, cut to the terminal's width but never within the first column. In a pipe, lines are whole."""
    rows = list(rows)
    lines = table_lines(titles, rows)
    whole = max(cell_len(_make_printable(row[0])) for row in (titles, *rows))
    for line in lines:
        print(_cut_line(line, max(whole + 1, stdout.width)))
    if len(lines) == 1:
        note("(none)")


def table_lines(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Align titles and rows in columns. Return one line for the titles and one per row."""
    cells = [titles, *([_make_printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(set_cell_size, row, widths)).rstrip() for row in cells]


def fits_terminal(lines: Sequence[str]) -> bool:
    """Return whether all lines fit the terminal. In a pipe, every line fits."""
    return not stdout.is_terminal or max(map(cell_len, lines)) <= stdout.width


def print_block(title: str, lines: Iterable[str]) -> None:
    """Print a title, and lines below it that are cut to the terminal's width."""
    print(title)
    for line in lines:
        print(_cut_line(f"  {_make_printable(line)}", stdout.width))


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print one line per field, its name and its value. Values are not cut."""
    named = [(name, _make_printable(value)) for name, value in fields]
    width = max(len(name) for name, _ in named)
    for name, value in named:
        print(f"{name:{width}}  {value}".rstrip())


def minute(at: datetime | None) -> str:
    """Format an instant in UTC to the minute; `-` for None."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else "-"


def instant(at: datetime) -> str:
    """Format an instant exactly, as the API does and as `--as-of` accepts it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def labels_text(labels: Mapping[str, str]) -> str:
    """Format labels as they are given on the command line."""
    return " ".join(f"{name}={value}" for name, value in labels.items())


def _cut_line(line: str, width: int) -> str:
    if not stdout.is_terminal or cell_len(line) <= width:
        return line
    return set_cell_size(line, width - 1) + "…"


def _make_printable(text: str) -> str:
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
