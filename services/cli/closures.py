"""`uptill closures`: declare, list, show, change, withdraw and restore closures."""

from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

import typer

from services.cli.connection import api_client
from services.cli.console import (
    Json,
    fail,
    instant,
    labels_text,
    minute,
    note,
    print_fields,
    print_json,
    print_warning,
)
from services.cli.instants import STORE_INSTANT_HELP, StoreTimes
from services.cli.parameters import DryRun, labels_of
from services.cli.tables import print_table
from shared.exit_codes import ExitCode
from uptill_client import Closure, UptillClient

app = typer.Typer(no_args_is_help=True, help="Manage closures: declare, list, change, withdraw, restore.")
ClosureId = Annotated[str, typer.Argument(metavar="ID", help="The closure's id.")]
_NO_END, _EVERY = "none", "*"


class TreatmentName(StrEnum):
    """What a closure does to the time in it."""

    exclude = "exclude"
    as_up = "as_up"
    ignore = "ignore"


@app.command()
def declare(
    starts_at: Annotated[str, typer.Option("--from", help=f"Start, {STORE_INSTANT_HELP}.")],
    treatment: Annotated[
        TreatmentName,
        typer.Option(help="exclude: left out of the figures; as_up: counts as up; ignore: only a note."),
    ],
    ends_at: Annotated[
        str | None, typer.Option("--to", help="End, in the same form. Default: not known yet.")
    ] = None,
    store: Annotated[str | None, typer.Option(help="The store's id; '*' for every store.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="All stores with this label. Repeat it for several."),
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            help="planned_maintenance, holiday, force_majeure, platform, other, or a word of yours."
        ),
    ] = "other",
    text: Annotated[str, typer.Option("--note", help="A text for people.")] = "",
    *,
    dry_run: DryRun = False,
) -> None:
    """Declare a closure, in the future or the past. Prints its id."""
    labels = labels_of(label)
    if (store is None) == (labels is None):
        fail("give either --store or --label: the stores that were closed", code=ExitCode.WRONG_USE)
    with api_client() as client:
        times = _times_of(client, store)
        made = client.declare_closure(
            store_id=store,
            labels=labels,
            starts_at=times.parse_given(starts_at),
            ends_at=times.parse(ends_at),
            treatment=treatment.value,
            reason=reason,
            note=text,
            dry_run=dry_run,
        )
    for warning in made.warnings:
        print_warning(warning)
    note(f"{_begin(dry_run=dry_run)}{_describe(made)}")
    if made.id is not None:
        print(made.id)


@app.command("list")
def list_(
    store: Annotated[str | None, typer.Option(help="Only closures that name this store.")] = None,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 50,
    *,
    withdrawn: Annotated[bool, typer.Option("--withdrawn", help="List withdrawn closures instead.")] = False,
    as_json: Json = False,
) -> None:
    """List the closures that hold, latest start first."""
    with api_client() as client:
        found = list(islice(client.closures(store_id=store, withdrawn=withdrawn), limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "stores", "from (UTC)", "to (UTC)", "treatment", "reason", "by", "note"),
        [
            (
                *(str(one.id), _stores_text(one), minute(one.starts_at), minute(one.ends_at), one.treatment),
                *(one.reason, (one.withdrawn_by if one.withdrawn_at else one.changed_by) or "command"),
                one.note or "-",
            )
            for one in found
        ],
    )


@app.command()
def show(closure_id: ClosureId, *, as_json: Json = False) -> None:
    """Show a closure, and who declared, changed and withdrew it."""
    with api_client() as client:
        closure = client.get_closure(closure_id)
    if as_json:
        print_json(closure)
        return
    changed = f"{minute(closure.changed_at)} UTC by {closure.changed_by or 'the command'}"
    withdrawn = f"{minute(closure.withdrawn_at)} UTC by {closure.withdrawn_by or 'the command'}"
    print_fields(
        (
            ("stores", _stores_text(closure)),
            ("from", instant(closure.starts_at)),
            ("to", instant(closure.ends_at) if closure.ends_at else "-"),
            ("treatment", closure.treatment),
            ("reason", closure.reason),
            ("note", closure.note or "-"),
            ("declared", f"{minute(closure.declared_at)} UTC by {closure.declared_by or 'the command'}"),
            *([("changed", changed)] if closure.changed_at != closure.declared_at else []),
            *([("withdrawn", withdrawn)] if closure.withdrawn_at else []),
        )
    )


@app.command()
def change(
    closure_id: ClosureId,
    starts_at: Annotated[str | None, typer.Option("--from", help=f"New start, {STORE_INSTANT_HELP}.")] = None,
    ends_at: Annotated[
        str | None, typer.Option("--to", help=f"New end, in the same form; {_NO_END} for no end yet.")
    ] = None,
    treatment: Annotated[TreatmentName | None, typer.Option(help="New treatment.")] = None,
    reason: Annotated[str | None, typer.Option(help="New reason.")] = None,
    text: Annotated[str | None, typer.Option("--note", help="New note.")] = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Change the times, the treatment, the reason or the note of a closure."""
    changes: dict[str, str | None] = {
        "treatment": treatment and treatment.value,
        "reason": reason,
        "note": text,
    }
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    with api_client() as client:
        given |= _parse_changed(client, closure_id, starts_at, ends_at)
        changed = client.change_closure(closure_id, dry_run=dry_run, **given)
    if dry_run:
        note(f"{_begin(dry_run=True)}{_describe(changed)}")
    else:
        note(f"changed closure {closure_id}")


@app.command()
def withdraw(closure_id: ClosureId, *, dry_run: DryRun = False) -> None:
    """Withdraw a closure. Reports that were made before keep their numbers."""
    with api_client() as client:
        held = client.withdraw_closure(closure_id, dry_run=dry_run)
    if held is not None:
        note(f"{_begin(dry_run=True)}{_describe(held)} would be withdrawn")
    else:
        note(f"withdrew closure {closure_id}")


@app.command()
def restore(closure_id: ClosureId, *, dry_run: DryRun = False) -> None:
    """Declare a withdrawn closure again, with its last terms."""
    with api_client() as client:
        restored = client.restore_closure(closure_id, dry_run=dry_run)
    would = " would hold again" if dry_run else " holds again"
    note(f"{_begin(dry_run=dry_run)}{_describe(restored)}{would}")


def _times_of(client: UptillClient, store: str | None) -> StoreTimes:
    """Return how times are read: `store` is None, or *, for several stores."""
    return StoreTimes(None if store in {None, _EVERY} else lambda: client.get_store(store or ""))


def _parse_changed(
    client: UptillClient, closure_id: str, starts_at: str | None, ends_at: str | None
) -> dict[str, str | None]:
    """Return the new times. Those without an offset are of the store that the closure names."""
    given = {"starts_at": starts_at, "ends_at": ends_at}
    texts = {name: text for name, text in given.items() if text is not None}
    if not texts:
        return {}
    times = _times_of(client, client.get_closure(closure_id).store_id)
    return {
        name: None if name == "ends_at" and text == _NO_END else times.parse_given(text).isoformat()
        for name, text in texts.items()
    }


def _begin(*, dry_run: bool) -> str:
    return "dry run, nothing was changed: " if dry_run else ""


def _describe(closure: Closure) -> str:
    end = f"to {minute(closure.ends_at)} UTC" if closure.ends_at else "UTC on, without an end"
    return f"closure of {_stores_text(closure)} from {minute(closure.starts_at)} {end}, {closure.treatment}, {closure.reason}"


def _stores_text(closure: Closure) -> str:
    return closure.store_id or labels_text(closure.labels or {})
