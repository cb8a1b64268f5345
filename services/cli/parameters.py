"""What a report is asked for, as options of the commands that ask, now or by a schedule."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from services.cli.console import fail
from shared.exit_codes import ExitCode
from shared.labels import parse_labels
from shared.uptime.policy import POLICIES
from shared.uptime.window import NAMED_WINDOWS
from uptill_client import FORMATS

PolicyName = StrEnum("PolicyName", {name: name for name in POLICIES})  # type: ignore[misc] # made from the registry
Format = StrEnum("Format", {name: name for name in FORMATS})  # type: ignore[misc] # as the line above

Policy = Annotated[PolicyName, typer.Option(help="How polls become uptime.")]
Windows = Annotated[
    list[str] | None,
    typer.Option(help=f"Repeatable: {', '.join(NAMED_WINDOWS)}, or a duration such as PT6H, P30D."),
]
Stores = Annotated[list[str] | None, typer.Option(help="Repeatable: only stores with these ids.")]
Labels = Annotated[
    list[str] | None, typer.Option(help="Repeatable, NAME=VALUE: only stores that have all of them.")
]
Detail = Annotated[bool, typer.Option("--detail", help="Also unknown time, bounds, polls, time zones.")]


def labels_of(texts: list[str] | None) -> Mapping[str, str] | None:
    """The labels; None for none. Ends the command with what is wrong with one."""
    try:
        return parse_labels(texts, separator="=") if texts else None
    except ValueError as error:
        fail(str(error), code=ExitCode.WRONG_USE)
