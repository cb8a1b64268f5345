"""A command group that imports a subcommand only when it runs, so that `uptill --help` stays fast."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from services.cli.commands import COMMANDS, Subcommand

_OURS = ("services", "shared", "uptill_client")


class LazyGroup(TyperGroup):
    """List every subcommand of `COMMANDS`, and load the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        names = {name: TyperCommand(name, help=one.summary) for name, one in COMMANDS.items()}
        super().__init__(**{**attributes, "commands": names})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        if name is None or found is None:
            return name, found, rest
        return name, load(name, COMMANDS[name]), rest


def load(name: str, subcommand: Subcommand) -> Any:
    """Import a subcommand and return it. If its extra is missing, end the program and say what to install."""
    try:
        target = _import_target(subcommand)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if subcommand.extra is None or missing in _OURS:
            raise
        _fail_without_extra(name, missing, subcommand.extra)
    around = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(target, typer.Typer):
        around.add_typer(target, name=name)
        return get_group(around).commands[name]
    around.command(name)(target)
    return get_command(around)


def _import_target(subcommand: Subcommand) -> Any:
    for package in subcommand.needs:
        if find_spec(package) is None:
            raise ModuleNotFoundError(name=package)
    module, _, attribute = subcommand.target.partition(":")
    return getattr(import_module(module), attribute)


def _fail_without_extra(name: str, package: str, extra: str) -> NoReturn:
    # Imported here because rich is slow to import and --help does not need it.
    from services.cli.console import fail  # noqa: PLC0415
    from shared.exit_codes import ExitCode  # noqa: PLC0415

    fail(
        f"`uptill {name}` needs {package}, which is not installed; run: pip install 'uptill[{extra}]'",
        code=ExitCode.WRONG_USE,
    )
