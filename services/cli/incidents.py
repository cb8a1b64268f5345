"""`uptill incidents list|show|acknowledge|note`: what is wrong, and who looks after it."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Annotated, Final

import typer

from services.cli.connection import api_client
from services.cli.console import Json, minute, minutes_between, note, print_fields, print_json
from services.cli.tables import print_rows, print_table
from uptill_client import Incident, WholeIncident

app = typer.Typer(no_args_is_help=True, help="Look after incidents: list, show, acknowledge, note.")
IncidentId = Annotated[str, typer.Argument(metavar="ID", help="The incident's id.")]


_INSTANTS: Final = frozenset({"last_poll_us"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US: Final = 1_000_000


class IncidentStateChoice(StrEnum):
    """Where an incident is in its life."""

    open = "open"
    acknowledged = "acknowledged"
    resolved = "resolved"
    withdrawn = "withdrawn"


@app.command("list")
def list_(
    state: Annotated[
        list[IncidentStateChoice] | None,
        typer.Option(help="Only in this state. Repeat it for several. Default: those that have not ended."),
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only of this rule.")] = None,
    store: Annotated[str | None, typer.Option(metavar="ID", help="Only about this store.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Only with this text in the rule, the subject or a store's id.")
    ] = None,
    limit: Annotated[int, typer.Option(help="List at most this many.", min=1)] = 50,
    *,
    all_: Annotated[bool, typer.Option("--all", help="List also those that have ended.")] = False,
    as_json: Json = False,
) -> None:
    """List incidents, newest first."""
    states = [each.value for each in state or ()] or ([] if all_ else ["open", "acknowledged"])
    with api_client() as client:
        found = list(islice(client.incidents(state=states, rule=rule, store=store, text=text), limit))
    print_rows(
        ("id", "rule", "about", "state", "since (UTC)", "opened (UTC)", "flaps"),
        found,
        lambda each: (
            *(each.id, each.rule, _about(each), _state(each), _since(each)),
            *(minute(each.opened_at), str(each.flaps or "-")),
        ),
        as_json=as_json,
    )


@app.command()
def show(incident_id: IncidentId, *, as_json: Json = False) -> None:
    """Show an incident: when it began, its stores and its timeline."""
    with api_client() as client:
        found = client.get_incident(incident_id)
    if as_json:
        print_json(found)
        return
    _print_incident(found)
    if found.stores:
        print()
        print_table(
            ("store", "joined (UTC)", "left (UTC)", "because"),
            [
                (each.store_id, minute(each.joined_at), minute(each.left_at), each.cause or "-")
                for each in found.stores
            ],
        )
    if found.events:
        print()
        print_table(
            ("at (UTC)", "event", "by", "details"),
            [
                (minute(each.at), each.kind, each.actor or "-", _details(each.details))
                for each in found.events
            ],
        )


@app.command()
def acknowledge(
    incident_id: IncidentId,
    text: Annotated[str | None, typer.Option("--note", help="Add a note to the timeline.")] = None,
) -> None:
    """Acknowledge an incident: reminders end, and nothing escalates."""
    with api_client() as client:
        client.acknowledge_incident(incident_id, note=text)
    note(f"acknowledged incident {incident_id}")


@app.command("note")
def add_note(
    incident_id: IncidentId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note.")],
) -> None:
    """Add a note to an incident's timeline."""
    with api_client() as client:
        client.note_incident(incident_id, text)
    note(f"noted on incident {incident_id}")


def _print_incident(found: WholeIncident) -> None:
    lines = [
        ("incident", found.id),
        ("rule", f"{found.rule} ({found.kind})"),
        ("about", _about(found)),
        ("state", _state(found)),
        ("since", f"{_since(found)} UTC"),
        ("opened", f"{minute(found.opened_at)} UTC"),
        ("flaps", str(found.flaps)),
        ("seen", _details(found.evidence) or "-"),
    ]
    if found.calm_at:
        lines.append(("calm", f"{minute(found.calm_at)} UTC"))
    if found.ended_at:
        lines.append(("ended", f"{minute(found.ended_at)} UTC"))
    if found.acknowledged_at:
        lines.append(
            ("acknowledged", f"{minute(found.acknowledged_at)} UTC by {found.acknowledged_by or '-'}")
        )
    print_fields(lines)


def _about(found: Incident) -> str:
    if found.store_id is not None:
        return found.store_id
    return f"{found.subject or 'feed'}" + (f" ({found.members} stores)" if found.members else "")


def _state(found: Incident) -> str:
    return f"{found.state} ({found.cause})" if found.cause else found.state


def _since(found: Incident) -> str:
    if found.since_earliest is None:
        return f"{minute(found.since_latest)} or before"
    return minutes_between(found.since_earliest, found.since_latest)


def _details(details: object) -> str:
    if not isinstance(details, dict):
        return ""
    return " ".join(_detail(name, value) for name, value in details.items() if value is not None)


def _detail(name: str, value: object) -> str:
    """Format one thing that was seen. Microseconds are an instant or a length."""
    shown = name.removesuffix("_us")
    if shown == name or not isinstance(value, int):
        return f"{name}={value}"
    if name in _INSTANTS:
        return f"{shown}={_EPOCH + timedelta(microseconds=value):%Y-%m-%dT%H:%M:%SZ}"
    return f"{shown}={timedelta(seconds=value // _SECOND_US)}".replace(" days, ", "d").replace(" day, ", "d")
