"""`uptill stores`: which there are, what is known of one, and where each of its minutes comes from."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.connection import api_client
from services.cli.console import Json, fail, note, print_json, print_table, stdout
from services.cli.parameters import Labels, Policy, PolicyName, labels_of
from services.cli.timeline import show_timeline
from shared.exit_codes import ExitCode
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import Store, StoreDetail

app = typer.Typer(no_args_is_help=True, help="Stores: list, show, label, timeline.")
StoreId = Annotated[str, typer.Argument(metavar="ID", help="The store's id.")]
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@app.command("list")
def list_(
    label: Labels = None,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 50,
    *,
    as_json: Json = False,
) -> None:
    """Show stores by id, with their last polls."""
    labels = labels_of(label)
    with api_client() as client:
        found = list(islice(client.stores(labels=labels), limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "zone", "labels", "last poll", "status"),
        [
            (
                *(store.store_id, _zone(store), _written(store.labels)),
                *(_minute(store.last_polled_at), store.last_status or "-"),
            )
            for store in found
        ],
    )


@app.command()
def show(store_id: StoreId, *, as_json: Json = False) -> None:
    """Show what is known of one store."""
    with api_client() as client:
        store = client.get_store(store_id)
    if as_json:
        print_json(store)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("id", store.store_id),
        ("zone", _zone(store)),
        ("labels", _written(store.labels)),
        ("first poll", _minute(store.first_polled_at)),
        ("last poll", f"{_minute(store.last_polled_at)} {store.last_status or ''}"),
        ("last day", f"{store.polls_last_day} polls"),
        *_hours(store),
    ):
        table.add_row(name, escape(value))
    stdout.print(table)


@app.command()
def label(
    store_id: StoreId,
    labels: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="All labels it is to have.")
    ] = None,
) -> None:
    """Replace the labels of a store; none: remove them."""
    given = labels_of(labels) or {}
    with api_client() as client:
        changed = client.set_labels(store_id, given)
    note(f"{changed.store_id}: {len(given)} labels, {changed.counts.duplicate} of them as before")


@app.command()
def timeline(
    store_id: StoreId,
    window: Annotated[str | None, typer.Option(help="As in reports: last_week, PT6H, previous_day.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Begin, as 2024-10-14T08:00; local time of the store.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, likewise.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Later polls are not known. Default: the end.")] = None,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    *,
    as_json: Json = False,
) -> None:
    """Show where every minute of a store's uptime comes from; default: the day up to the newest poll."""
    with api_client() as client:
        given = [text for text in (begin, end, as_of) if text is not None]
        zone = client.get_store(store_id).timezone if given else ""
        shown = client.timeline(
            store_id,
            window=window,
            begin=_instant(begin, zone),
            end=_instant(end, zone),
            as_of=_instant(as_of, zone),
            policy=policy.value,
        )
    if as_json:
        print_json(shown)
        return
    show_timeline(shown)


def _instant(text: str | None, zone: str) -> datetime | None:
    """The instant; without a zone of its own in that of the store."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail(
            f"{text!r} is no time; write it as 2024-10-14T08:00 or 2024-10-14T08:00Z", code=ExitCode.WRONG_USE
        )
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=ZoneInfo(zone))


def _zone(store: Store) -> str:
    return f"{store.timezone}{' (default)' if store.timezone_is_default else ''}"


def _written(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items()) or "-"


def _hours(store: StoreDetail) -> list[tuple[str, str]]:
    if store.is_open_24x7:
        return [("hours", "open around the clock: none were delivered")]
    return [
        (
            name,
            ", ".join(
                f"{interval.start_time_local}-{interval.end_time_local}"
                for interval in store.hours
                if interval.day_of_week == day
            )
            or "closed",
        )
        for day, name in enumerate(_DAYS)
    ]


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "-"
