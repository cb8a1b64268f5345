"""Options that several commands share."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from services.cli.console import fail
from shared.exit_codes import ExitCode
from shared.labels import parse_labels
from shared.uptime.periods import PERIOD_EXAMPLES
from shared.uptime.policy import POLICIES
from shared.uptime.window import NAMED_WINDOWS
from uptill_client import FILES, FORMATS

_Value = TypeVar("_Value")
# mypy cannot see the members of an enum made from a registry.
PolicyName = StrEnum("PolicyName", {name: name for name in POLICIES})  # type: ignore[misc]
Format = StrEnum("Format", {name: name for name in FORMATS})  # type: ignore[misc]
FileName = StrEnum("FileName", {name: name for name in FILES})  # type: ignore[misc]

Policy = Annotated[PolicyName, typer.Option(help="Rule that turns polls into uptime.")]
Windows = Annotated[
    list[str] | None,
    typer.Option(
        help=f"Repeatable: {', '.join(NAMED_WINDOWS)}, a local period such as {PERIOD_EXAMPLES}, or a duration such as PT6H or"
        " P30D; `before:` and a window is the window just before it. Default: last_hour, last_day and last_week."
    ),
]
Stores = Annotated[
    list[str] | None, typer.Option(help="Repeatable: only the stores with these ids. Default: all stores.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Repeatable: only stores that have all these labels."),
]
StoreLabels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Only stores with this label. Repeat it for several. Default: every store.",
    ),
]
Detail = Annotated[
    bool,
    typer.Option(
        "--detail",
        help="Add columns: unknown time, bounds of uptime, excluded time, number of polls, outages, time zone, name.",
    ),
]

ExcludedReasons = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-reason",
        metavar="WORD",
        help="Repeatable: leave out the time for which polls gave this reason, as `uptill reasons list` shows them.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check what would change, and change nothing.")]
CreateStore = Annotated[bool, typer.Option("--create", help="Add the store if it is unknown.")]
Files = Annotated[
    list[FileName] | None,
    typer.Option(
        help=(
            "Repeatable: `outages` adds a file with one row per outage, `reasons` one with downtime by reason, `summary` one with sums by label, zone, weekday and hour"
            " beside the window before, `service_levels` one with the last evaluation of each level. The report itself is always"
            " made."
        )
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help=(
            "File to write or replace, or `-` for standard output. With several formats, each gets its own ending; further"
            " files are written next to it, with -outages, -reasons, -summary or -service_levels in the name."
        ),
    ),
]


def labels_of(texts: list[str] | None) -> Mapping[str, str] | None:
    """Parse labels; None if there are none. Ends the command with a message if a label is invalid."""
    try:
        return parse_labels(texts, separator="=") if texts else None
    except ValueError as error:
        fail(str(error), code=ExitCode.WRONG_USE)


def parse_pairs(
    texts: list[str] | None, what: str, form: str, parse: Callable[[str], _Value], *, mark: str = "="
) -> dict[str, _Value]:
    """Parse texts such as NAME=VALUE, in which the first `mark` ends the name. Ends the command with a message, which shows `form`, if one is invalid.

    `parse` raises ValueError for an invalid value.
    """
    pairs = {}
    for text in texts or ():
        name, _, value = text.partition(mark)
        if name in pairs:
            fail(f"the {what} {name!r} is given twice: give it once", code=ExitCode.WRONG_USE)
        try:
            pairs[name] = parse(value)
        except ValueError:
            name = ""
        if not name or mark not in text:
            fail(f"invalid {what} {text!r}: write it as {form}", code=ExitCode.WRONG_USE)
    return pairs
