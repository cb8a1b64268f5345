"""Generate docs/reference/cli.md from the commands."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from services.cli.commands import COMMANDS
from services.cli.lazy import load
from services.cli.main import app
from shared.exit_codes import EXIT_CODE_MEANINGS

_HEAD = """# The `uptill` command

Generated from the code by `make reference`. Results go to standard output, everything else to standard
error. `uptill --install-completion` installs completion for your shell. Each command that lists or shows
something takes `--json` and then prints one document with the field names of the [HTTP API](openapi.json).
In a narrow terminal, long texts of a table are folded, or each row is printed as several lines. In a pipe,
each row is one line.

Write `-q` and `-v` before the command: `uptill -q report -o report.csv`.
"""
_CODES_HEAD = """
## Exit codes

| code | meaning |
|---:|---|
| 0 | The command did its work. |
"""
_CODES_FOOT = "| 130 | Ctrl-C stopped the command. |\n"


def cli_reference() -> str:
    """Return the page: global options, exit codes, then each command with its arguments and options."""
    root = get_command(app)
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODE_MEANINGS.items())
    parts = [_HEAD, *_list_parameters(root, "uptill"), _CODES_HEAD, codes, _CODES_FOOT]
    for name, subcommand in COMMANDS.items():
        parts += _write_section(load(name, subcommand), f"uptill {name}", subcommand.extra)
    return "".join(parts)


def _write_section(command: Any, path: str, extra: str | None) -> Iterator[str]:
    yield f"\n## `{path}`\n\n{_get_help(command)}\n"
    yield f"\nNeeds `uptill[{extra}]`.\n" if extra else ""
    if isinstance(command, TyperGroup):
        yield from _write_children(command, path)
    else:
        yield from _show_usage(command, path)


def _write_children(group: TyperGroup, path: str) -> Iterator[str]:
    for name, child in group.commands.items():
        if isinstance(child, TyperGroup):
            yield from _write_children(child, f"{path} {name}")
        else:
            yield f"\n### `{path} {name}`\n\n{_get_help(child)}\n"
            yield from _show_usage(child, f"{path} {name}")


def _show_usage(command: Any, path: str) -> Iterator[str]:
    pieces = " ".join(command.collect_usage_pieces(_make_context(command, path)))
    yield f"\n```\n{path} {pieces}\n```\n"
    yield from _list_parameters(command, path)


def _list_parameters(command: Any, path: str) -> Iterator[str]:
    context = _make_context(command, path)
    records = [parameter.get_help_record(context) for parameter in command.params]
    shown = [record for record in records if record is not None]
    if shown:
        yield "\n| argument or option | meaning |\n|---|---|\n"
    for names, meaning in shown:
        cells = (f"`{names}`", " ".join(meaning.split()))
        yield f"| {' | '.join(_make_cell(cell) for cell in cells)} |\n"


def _make_cell(text: str) -> str:
    return text.replace("|", r"\|")


def _make_context(command: Any, path: str) -> typer.Context:
    return typer.Context(command, info_name=path)


def _get_help(command: Any) -> str:
    return (command.help or "").strip()
