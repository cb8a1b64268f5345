"""`uptill calendars`: list, show, set and remove calendars of special dates."""

from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, labels_text, minute, note, print_json, print_table
from services.cli.parameters import labels_of
from shared.exit_codes import ExitCode
from uptill_client import SpecialDate, TimeRange

app = typer.Typer(no_args_is_help=True, help="Manage calendars of special dates: list, show, set, remove.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The calendar's name, such as us-holidays.")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all calendars by name. Of several that have a date, the first decides."""
    with api_client() as client:
        found = client.calendars()
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "stores", "dates", "first", "last", "changed (UTC)", "by"),
        [
            (
                *(one.name, labels_text(one.labels) or "every store", str(one.date_count)),
                *(one.first_date or "-", one.last_date or "-", minute(one.changed_at)),
                one.changed_by or "command",
            )
            for one in found
        ],
    )


@app.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Show the dates of a calendar."""
    with api_client() as client:
        calendar = client.get_calendar(name)
    if as_json:
        print_json(calendar)
        return
    print_table(("date", "hours"), [(one.date, _hours_text(one)) for one in calendar.dates])


@app.command("set")
def set_(
    name: Name,
    dates: Annotated[
        list[str],
        typer.Argument(
            metavar="DATE[=HOURS]...",
            help="All dates, such as 2024-12-25 (closed) or 2024-12-24=10:00-14:00,16:00-18:00.",
        ),
    ],
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only stores with this label. Repeat it for several."),
    ] = None,
) -> None:
    """Replace a calendar, or make it."""
    labels = labels_of(label) or {}
    given = [_parse_date(text) for text in dates]
    with api_client() as client:
        made = client.set_calendar(name, labels, given)
    note(f"calendar {made.name} has {made.date_count} dates, for {labels_text(labels) or 'every store'}")


@app.command()
def remove(name: Name) -> None:
    """Remove a calendar. The weekly hours of its dates apply again."""
    with api_client() as client:
        client.remove_calendar(name)
    note(f"removed calendar {name}")


def _parse_date(text: str) -> SpecialDate:
    """Parse `DATE` or `DATE=HH:MM-HH:MM,…`. The service checks dates and times."""
    day, found, hours = text.partition("=")
    ranges = [each.partition("-") for each in hours.split(",")] if found else []
    if any(not begin or not end for begin, _, end in ranges):
        fail(
            f"invalid date {text!r}: write it as 2024-12-25 or 2024-12-24=10:00-14:00",
            code=ExitCode.WRONG_USE,
        )
    return SpecialDate(day, [TimeRange(begin, end) for begin, _, end in ranges])


def _hours_text(one: SpecialDate) -> str:
    ranges = (f"{each.start_time_local}-{each.end_time_local}" for each in one.intervals)
    return ", ".join(ranges) or "closed"
