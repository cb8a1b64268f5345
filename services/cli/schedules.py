"""`uptill schedules`: reports by the calendar."""

from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.connection import api_client
from services.cli.console import Json, note, print_json, print_table, stdout
from services.cli.parameters import (
    Detail,
    Format,
    Labels,
    Policy,
    PolicyName,
    Stores,
    Windows,
    labels_of,
)
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import ReportSchedule

app = typer.Typer(no_args_is_help=True, help="Reports by the calendar: create, list, show, pause, delete.")
ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.")]


class AsOf(StrEnum):
    """Where the windows of a scheduled report end."""

    latest = "latest"
    due = "due"


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For people, and in the names of files.")],
    cron: Annotated[str, typer.Option(help='Minute, hour, day, month, weekday, as "30 6 * * 1-5".')],
    zone: Annotated[str, typer.Option(help="The IANA time zone of these, as America/Chicago.")],
    as_of: Annotated[
        AsOf, typer.Option(help="End of the windows: the newest accepted poll, or the due time.")
    ] = AsOf.latest,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    window: Windows = None,
    store: Stores = None,
    label: Labels = None,
    detail: Detail = False,
    file_format: Annotated[
        list[Format] | None, typer.Option("--format", help="Repeatable. Default: csv.")
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="An https address to call when a report has ended.")
    ] = None,
    s3_prefix: Annotated[
        str | None, typer.Option(help="Copy the files below deliveries/ and this, within the bucket.")
    ] = None,
) -> None:
    """Make a report at each time that a cron expression names; prints the schedule's id."""
    labels = labels_of(label)
    with api_client() as client:
        made = client.create_schedule(
            name,
            cron=cron,
            timezone=zone,
            webhook_url=webhook_url,
            s3_prefix=s3_prefix,
            as_of="due" if as_of is AsOf.due else "latest",
            policy=policy.value,
            detail=detail,
            windows=window,
            formats=[each.value for each in file_format] if file_format else None,
            store_ids=store,
            labels=labels,
        )
    note(f"{made.name}: due {_local(made, made.next_due_at)} for the first time")
    print(made.id)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 50, *, as_json: Json = False
) -> None:
    """Show schedules, newest first."""
    with api_client() as client:
        found = list(islice(client.schedules(), limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "name", "cron", "zone", "state", "next due", "webhook", "prefix"),
        [
            (
                *(one.id, one.name, one.cron, one.timezone, one.state, _local(one, one.next_due_at)),
                *(one.deliver.webhook_url or "-", one.deliver.s3_prefix or "-"),
            )
            for one in found
        ],
    )


@app.command()
def show(schedule_id: ScheduleId, *, as_json: Json = False) -> None:
    """Show a schedule, its next due times, and what came of the last ones."""
    with api_client() as client:
        schedule = client.get_schedule(schedule_id)
    if as_json:
        print_json(schedule)
        return
    terms = Table.grid(padding=(0, 2))
    for name, value in (
        ("name", schedule.name),
        ("due", f"{schedule.cron} in {schedule.timezone}"),
        ("state", schedule.state),
        ("report", ", ".join(f"{name}={value}" for name, value in (schedule.report or {}).items())),
        ("webhook", schedule.deliver.webhook_url or "-"),
        ("prefix", schedule.deliver.s3_prefix or "-"),
        ("next", ", ".join(_local(schedule, at) for at in schedule.next_due) or "-"),
    ):
        terms.add_row(name, escape(value))
    stdout.print(terms)
    print_table(
        ("due", "report", "state", "delivery", "because"),
        [
            (
                *(_local(schedule, run.due_at), run.report_id or "-", run.report_state or "-"),
                *(run.delivery, run.error or run.delivery_error or "-"),
            )
            for run in schedule.runs
        ],
    )


@app.command()
def pause(schedule_id: ScheduleId) -> None:
    """Make no reports until it is resumed."""
    with api_client() as client:
        client.change_schedule(schedule_id, state="paused")
    note(f"schedule {schedule_id} is paused")


@app.command()
def resume(schedule_id: ScheduleId) -> None:
    """Go on with the next due time; what was due meanwhile is not made up for."""
    with api_client() as client:
        schedule = client.change_schedule(schedule_id, state="active")
    note(f"schedule {schedule_id} is due {_local(schedule, schedule.next_due_at)}")


@app.command()
def delete(schedule_id: ScheduleId) -> None:
    """Forget a schedule; its reports, and what was delivered, stay."""
    with api_client() as client:
        client.delete_schedule(schedule_id)
    note(f"schedule {schedule_id} is deleted")


def _local(schedule: ReportSchedule, at: datetime | None) -> str:
    return f"{at.astimezone(ZoneInfo(schedule.timezone)):%Y-%m-%d %H:%M}" if at else "-"
