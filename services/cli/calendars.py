"""`uptill calendars`: list, show, set, add and remove calendars of special dates."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, labels_text, minute, note, print_json, print_warning
from services.cli.holiday_dates import list_holidays, parse_years
from services.cli.parameters import DryRun, labels_of
from services.cli.tables import print_table
from shared.exit_codes import ExitCode
from shared.explain import name_os_error
from shared.texts import quoted
from uptill_client import Calendar, SpecialDate, TimeRange

app = typer.Typer(no_args_is_help=True, help="Manage calendars of special dates.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The calendar's name, such as us-holidays.")]
StoreLabels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="NAME=VALUE", help="Only stores with this label. Repeat it for several."),
]


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
    _print_dates(calendar, {})


@app.command("set")
def set_(
    name: Name,
    dates: Annotated[
        list[str],
        typer.Argument(
            metavar="DATE[=HOURS]...|FILE.ics",
            help="All dates, such as 2024-12-25 (closed) or 2024-12-24=10:00-14:00,16:00-18:00; or one iCalendar file.",
        ),
    ],
    label: StoreLabels = None,
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replace a calendar, or make it, from dates or from an iCalendar file."""
    labels = labels_of(label) or {}
    file = next((text for text in dates if text.lower().endswith(".ics")), None)
    if file is None:
        given = [_parse_date(text) for text in dates]
        with api_client() as client:
            made = client.set_calendar(name, labels, given, dry_run=dry_run)
    elif len(dates) > 1:
        fail("give either dates or one .ics file", code=ExitCode.WRONG_USE)
    else:
        body = _read_file(Path(file))
        with api_client() as client:
            made = client.set_calendar_from_ical(name, labels, body, dry_run=dry_run)
    _report_change(made, dry_run=dry_run, as_json=as_json)


@app.command()
def add(
    name: Name,
    country: Annotated[str, typer.Option(help="The country, such as US, or its English name.")],
    subdivision: Annotated[
        str | None,
        typer.Option(help="A state or province of the country, such as CA: also its own holidays."),
    ] = None,
    years: Annotated[
        str | None,
        typer.Option(
            help="Years, such as 2024-2028 or 2024,2026, at most 20. Default: last year and the five after it."
        ),
    ] = None,
    label: StoreLabels = None,
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Fill a calendar with the public holidays of a country. It replaces the calendar if there is one.

    On holidays the stores count as closed. Needs the extra holidays: pip install 'uptill[holidays]'.
    """
    labels = labels_of(label) or {}
    named = list_holidays(country, subdivision, parse_years(years, datetime.now(UTC).date()))
    with api_client() as client:
        made = client.set_calendar(name, labels, [SpecialDate(str(day)) for day in named], dry_run=dry_run)
    _report_change(made, {str(day): text for day, text in named.items()}, dry_run=dry_run, as_json=as_json)


@app.command()
def remove(
    name: Name,
    *,
    dry_run: DryRun = False,
) -> None:
    """Remove a calendar. The weekly hours of its dates apply again."""
    with api_client() as client:
        held = client.remove_calendar(name, dry_run=dry_run)
    if held is None:
        note(f"removed calendar {name}")
    else:
        note(f"dry run, nothing was changed: would remove calendar {name}, {_describe(held)}")


def _report_change(
    made: Calendar, named: Mapping[str, str] | None = None, *, dry_run: bool, as_json: bool
) -> None:
    """Print a calendar that was set, or would be. `named`: the names of its dates."""
    for warning in made.warnings:
        print_warning(warning)
    if as_json:
        print_json(made)
    elif dry_run:
        _print_dates(made, named or {})
    begin = "dry run, nothing was changed: " if dry_run else ""
    note(f"{begin}calendar {made.name} {'would have' if dry_run else 'has'} {_describe(made)}")


def _describe(calendar: Calendar) -> str:
    count = calendar.date_count
    span = f" from {calendar.first_date} to {calendar.last_date}" if count else ""
    stores = labels_text(calendar.labels) or "every store"
    return f"{count} {'date' if count == 1 else 'dates'}{span}, for {stores}"


def _print_dates(calendar: Calendar, named: Mapping[str, str]) -> None:
    titles = ("date", "hours", "name") if named else ("date", "hours")
    rows = [(one.date, _hours_text(one), named.get(one.date, "")) for one in calendar.dates]
    print_table(titles, [row[: len(titles)] for row in rows])


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fail(f"cannot read {name_os_error(error)}", code=ExitCode.WRONG_USE)


def _parse_date(text: str) -> SpecialDate:
    """Parse `DATE` or `DATE=HH:MM-HH:MM,…`. The service checks dates and times."""
    day, found, hours = text.partition("=")
    ranges = [each.partition("-") for each in hours.split(",")] if found else []
    if any(not begin or not end for begin, _, end in ranges):
        fail(
            f"invalid date {quoted(text)}: write it as 2024-12-25 or 2024-12-24=10:00-14:00",
            code=ExitCode.WRONG_USE,
        )
    return SpecialDate(day, [TimeRange(begin, end) for begin, _, end in ranges])


def _hours_text(one: SpecialDate) -> str:
    ranges = (f"{each.start_time_local}-{each.end_time_local}" for each in one.intervals)
    return ", ".join(ranges) or "closed"
