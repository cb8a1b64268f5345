"""`uptill stores`: list stores, show, name or label one, remove hours, and explain uptime minute by minute."""

from datetime import datetime
from itertools import islice
from typing import Annotated

import typer

from services.cli import store_pictures
from services.cli.connection import api_client
from services.cli.console import Json, labels_text, minute, note, print_fields, print_json, print_warning
from services.cli.instants import STORE_INSTANT_HELP, StoreTimes
from services.cli.parameters import (
    CreateStore,
    DryRun,
    ExcludedReasons,
    Labels,
    Policy,
    PolicyName,
    labels_of,
)
from services.cli.store_hours import list_hours
from services.cli.store_makers import list_makers
from services.cli.store_policies import show_policies
from services.cli.tables import print_table
from services.cli.timeline import show_timeline
from shared.texts import count_of
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import Store

app = typer.Typer(no_args_is_help=True, help="Look at stores: list, show, name, label and more.")
StoreId = Annotated[str, typer.Argument(metavar="ID", help="The store's id.")]


@app.command("list")
def list_(
    label: Labels = None,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 50,
    *,
    as_json: Json = False,
) -> None:
    """List stores by id, with their last polls."""
    labels = labels_of(label)
    with api_client() as client:
        found = list(islice(client.stores(labels=labels), limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "name", "zone", "last poll (UTC)", "status", "labels"),
        [
            (
                *(store.store_id, store.name or "-", _parse_zone(store), minute(store.last_polled_at)),
                *(store.last_status or "-", labels_text(store.labels) or "-"),
            )
            for store in found
        ],
    )


@app.command()
def show(store_id: StoreId, *, as_json: Json = False) -> None:
    """Show a store: its zone, labels, hours and last poll."""
    with api_client() as client:
        store = client.get_store(store_id)
    if as_json:
        print_json(store)
        return
    fields = (
        ("id", store.store_id),
        ("name", store.name or "-"),
        ("zone", _parse_zone(store)),
        ("labels", labels_text(store.labels) or "-"),
        ("first poll", _format_poll(store.first_polled_at)),
        ("last poll", _format_poll(store.last_polled_at, store.last_status)),
        (
            "last day",
            f"{count_of(store.polls_last_day, 'poll')} in the 24 hours before the newest poll of any store",
        ),
    )
    print_fields((*fields, *list_hours(store), *list_makers(store)))


@app.command()
def label(
    store_id: StoreId,
    labels: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="All labels of the store from now on."),
    ] = None,
    *,
    create: CreateStore = False,
    dry_run: DryRun = False,
) -> None:
    """Replace the labels of a store. Without labels, remove them all."""
    given = labels_of(labels) or {}
    with api_client() as client:
        changed = client.set_labels(store_id, given, create=create, dry_run=dry_run)
    for warning in changed.warnings:
        print_warning(warning)
    begin = "dry run, nothing was changed: " if dry_run else ""
    note(f"{begin}labels of store {changed.store_id}: {labels_text(given) or 'none'}")


@app.command()
def name(
    store_id: StoreId,
    text: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The name to show. Without it, the name is removed."),
    ] = None,
    *,
    create: CreateStore = False,
    dry_run: DryRun = False,
) -> None:
    """Set the name of a store. Without a name, remove it."""
    with api_client() as client:
        changed = client.set_name(store_id, text, create=create, dry_run=dry_run)
    for warning in changed.warnings:
        print_warning(warning)
    begin = "dry run, nothing was changed: " if dry_run else ""
    note(f"{begin}name of store {changed.store_id}: {text or 'none'}")


@app.command("remove-hours")
def remove_hours(
    store_id: StoreId,
    effective_from: Annotated[
        str, typer.Option(metavar="DATE", help="The date from which the hours apply, as 2024-12-25.")
    ],
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove the hours of a store that apply from a date on. Those of the date before apply again."""
    with api_client() as client:
        changed = client.remove_hours(store_id, effective_from=effective_from, dry_run=dry_run)
    for warning in changed.warnings:
        print_warning(warning)
    if as_json:
        print_json(changed)
    begin, has = ("dry run, nothing was changed: ", "would have") if dry_run else ("", "has")
    note(f"{begin}store {changed.store_id} {has} no hours that begin on {effective_from}")


@app.command()
def timeline(
    store_id: StoreId,
    window: Annotated[
        str | None,
        typer.Option(
            help="A window as in reports, such as last_week, previous_day or PT6H. Default: the last day."
        ),
    ] = None,
    begin: Annotated[str | None, typer.Option("--from", help=f"Start, {STORE_INSTANT_HELP}.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, in the same form.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Ignore polls after this instant, in the same form. Default: the end.")
    ] = None,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    exclude_reason: ExcludedReasons = None,
    *,
    as_json: Json = False,
) -> None:
    """Show where every minute of a store's uptime comes from, by default for the day up to the newest poll."""
    with api_client() as client:
        times = StoreTimes(lambda: client.get_store(store_id))
        shown = client.timeline(
            store_id,
            window=window,
            begin=times.parse(begin),
            end=times.parse(end),
            as_of=times.parse(as_of),
            policy=policy.value,
            exclude_reasons=exclude_reason or (),
        )
    if as_json:
        print_json(shown)
        return
    show_timeline(shown)


app.command()(store_pictures.picture)
app.command()(store_pictures.badge)


@app.command()
def policies(
    store_id: StoreId,
    policy: Annotated[
        list[PolicyName] | None,
        typer.Option(help="Repeatable: the policies to compare, at least 2. Default: classic and hold."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(help="A window as in reports, such as last_week or PT6H. Default: the last day."),
    ] = None,
    begin: Annotated[str | None, typer.Option("--from", help=f"Start, {STORE_INSTANT_HELP}.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, in the same form.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Ignore polls after this instant, in the same form. Default: the end.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Compare policies on one store: their figures, and each stretch about which they differ, with the rules behind it."""
    with api_client() as client:
        times = StoreTimes(lambda: client.get_store(store_id))
        found = client.store_policies(
            store_id,
            [each.value for each in policy or ()],
            window=window,
            begin=times.parse(begin),
            end=times.parse(end),
            as_of=times.parse(as_of),
        )
    if as_json:
        print_json(found)
        return
    show_policies(found)


def _parse_zone(store: Store) -> str:
    return f"{store.timezone}{' (default)' if store.timezone_is_default else ''}"


def _format_poll(at: datetime | None, status: str | None = None) -> str:
    return f"{minute(at)} UTC {status or ''}".rstrip() if at else "-"
