"""Options that `uptill report` and `uptill schedules create` share: what the report covers."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.console import fail
from shared.exit_codes import ExitCode
from shared.labels import parse_labels
from shared.uptime.periods import PERIOD_EXAMPLES
from shared.uptime.policy import POLICIES
from shared.uptime.window import NAMED_WINDOWS
from uptill_client import FILES, FORMATS

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
    list[str] | None, typer.Option(help="Repeatable, NAME=VALUE: only stores that have all these labels.")
]
Detail = Annotated[
    bool,
    typer.Option(
        "--detail",
        help="Add columns: unknown time, bounds of uptime, excluded time, number of polls, outages, time zone.",
    ),
]

Files = Annotated[
    list[FileName] | None,
    typer.Option(
        help="Repeatable: `outages` adds a file with one row per outage. The report itself is always made."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help=(
            "File to write or replace, or `-` for standard output. With several formats, each gets its own ending; outages"
            " are written next to it, with -outages in the name."
        ),
    ),
]


def labels_of(texts: list[str] | None) -> Mapping[str, str] | None:
    """Parse labels; None if there are none. Ends the command with a message if a label is invalid."""
    try:
        return parse_labels(texts, separator="=") if texts else None
    except ValueError as error:
        fail(str(error), code=ExitCode.WRONG_USE)


def parse_instant(text: str, zone: tzinfo = UTC) -> datetime:
    """Parse an instant; without an offset it is in `zone`. Ends the command with a message if it is invalid."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(
            f"invalid time {text!r}: write it as 2024-10-18T21:00Z or 2024-10-18T16:00-05:00",
            code=ExitCode.WRONG_USE,
        )
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)
