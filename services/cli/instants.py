"""Instants and dates as people type them."""

from datetime import UTC, datetime, tzinfo

import typer

from services.cli.console import fail
from shared.exit_codes import ExitCode
from shared.local_times import instant_of


def parse_instant(text: str, zone: tzinfo = UTC) -> datetime:
    """Parse an instant; without an offset it is in `zone`, by the rule of `instant_of`.

    Ends the command with a message if it is invalid.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(
            f"invalid time {text!r}: write it as 2024-10-18T21:00Z or 2024-10-18T16:00-05:00",
            code=ExitCode.WRONG_USE,
        )
    return found if found.tzinfo is not None else instant_of(found, zone)


def parse_date(text: str) -> datetime:
    """Return the start of a date, without a zone. Raise `typer.BadParameter`, which names the option."""
    try:
        return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - the caller knows the zone
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date: write it as 2024-12-25") from None
