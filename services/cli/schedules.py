"""`uptill schedules`: create, list, show, pause, resume and delete report schedules."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from services.cli.connection import api_client
from services.cli.console import Json, labels_text, minute, note, print_fields, print_json
from services.cli.parameters import (
    Detail,
    ExcludedReasons,
    Files,
    Format,
    Labels,
    Policy,
    PolicyName,
    Stores,
    Windows,
    labels_of,
)
from services.cli.tables import print_table
from shared.local_times import occurs_twice, offset_text
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import ReportSchedule

app = typer.Typer(no_args_is_help=True, help="Manage report schedules: create, list, pause, delete.")
ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.")]


class AsOf(StrEnum):
    """The end of the windows of a scheduled report."""

    latest = "latest"
    due = "due"


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name for people. Names of delivered files contain it.")
    ],
    cron: Annotated[
        str, typer.Option(help='Due times as minute, hour, day, month and weekday, such as "30 6 * * 1-5".')
    ],
    zone: Annotated[str, typer.Option(help="IANA time zone of the due times, such as America/Chicago.")],
    as_of: Annotated[
        AsOf, typer.Option(help="End of the windows: the newest poll (latest), or the due time (due).")
    ] = AsOf.latest,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    window: Windows = None,
    store: Stores = None,
    label: Labels = None,
    detail: Detail = False,
    file_format: Annotated[
        list[Format] | None, typer.Option("--format", help="Repeatable. Default: csv.")
    ] = None,
    files: Files = None,
    exclude_reason: ExcludedReasons = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="A public https URL that gets an event when a report ends.")
    ] = None,
    s3_prefix: Annotated[
        str | None, typer.Option(help="Copy the files to deliveries/PREFIX in the bucket.")
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Repeatable: a channel that gets a summary when a report ends."),
    ] = None,
) -> None:
    """Create a schedule that makes a report at each due time. Prints the schedule's id."""
    labels = labels_of(label)
    with api_client() as client:
        made = client.create_schedule(
            name,
            cron=cron,
            timezone=zone,
            webhook_url=webhook_url,
            s3_prefix=s3_prefix,
            channels=channel or (),
            as_of="due" if as_of is AsOf.due else "latest",
            policy=policy.value,
            detail=detail,
            windows=window,
            formats=[each.value for each in file_format] if file_format else None,
            files=[each.value for each in files] if files else None,
            store_ids=store,
            labels=labels,
            exclude_reasons=exclude_reason,
        )
    note(f"created schedule {made.name}; first due {_format_local(made, made.next_due_at)} ({made.timezone})")
    print(made.id)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 50, *, as_json: Json = False
) -> None:
    """List schedules, newest first."""
    with api_client() as client:
        found = list(islice(client.schedules(), limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "state", "next due", "zone", "cron", "name", "prefix", "webhook"),
        [
            (
                *(one.id, one.state, _format_local(one, one.next_due_at), one.timezone, one.cron, one.name),
                *(one.deliver.s3_prefix or "-", one.deliver.webhook_url or "-"),
            )
            for one in found
        ],
    )


@app.command()
def show(schedule_id: ScheduleId, *, as_json: Json = False) -> None:
    """Show a schedule, its next due times, and its last runs."""
    with api_client() as client:
        schedule = client.get_schedule(schedule_id)
    if as_json:
        print_json(schedule)
        return
    print_fields(
        (
            ("name", schedule.name),
            ("due", f"{schedule.cron} in {schedule.timezone}"),
            ("state", schedule.state),
            *([("error", schedule.error)] if schedule.error else []),
            ("report", _read_parameters(schedule)),
            ("webhook", schedule.deliver.webhook_url or "-"),
            ("prefix", schedule.deliver.s3_prefix or "-"),
            ("channels", ", ".join(schedule.deliver.channels) or "-"),
            ("next due", ", ".join(_format_local(schedule, at) for at in schedule.next_due) or "-"),
        )
    )
    print()
    print_table(
        ("last due", "report", "state", "delivery", "error"),
        [
            (
                *(_format_local(schedule, run.due_at), run.report_id or "-", run.report_state or "-"),
                *(run.delivery, run.error or run.delivery_error or "-"),
            )
            for run in schedule.runs
        ],
    )


@app.command()
def pause(schedule_id: ScheduleId) -> None:
    """Pause a schedule: make no reports until it is resumed."""
    with api_client() as client:
        client.change_schedule(schedule_id, state="paused")
    note(f"paused schedule {schedule_id}")


@app.command()
def resume(schedule_id: ScheduleId) -> None:
    """Resume a schedule at its next due time. Due times during the pause are skipped."""
    with api_client() as client:
        schedule = client.change_schedule(schedule_id, state="active")
    note(
        f"resumed schedule {schedule_id}; next due {_format_local(schedule, schedule.next_due_at)} ({schedule.timezone})"
    )


@app.command()
def delete(schedule_id: ScheduleId) -> None:
    """Delete a schedule. Its reports and delivered files are kept."""
    with api_client() as client:
        client.delete_schedule(schedule_id)
    note(f"deleted schedule {schedule_id}")


def _read_parameters(schedule: ReportSchedule) -> str:
    """Format the parameters of the schedule's reports, without those that are not set."""
    given = {name: value for name, value in (schedule.report or {}).items() if value not in (None, False, [])}
    return ", ".join(f"{name}={_read_value(value)}" for name, value in given.items())


def _read_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return labels_text({name: _read_value(each) for name, each in value.items() if each is not None})
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _format_local(schedule: ReportSchedule, at: datetime | None) -> str:
    if at is None:
        return "-"
    try:
        local = at.astimezone(ZoneInfo(schedule.timezone))
    except (ValueError, LookupError, OSError):
        # The zone of a failed schedule may be unknown here too.
        return f"{minute(at)} UTC"
    return f"{local:%Y-%m-%d %H:%M}{offset_text(local) if occurs_twice(local) else ''}"
