"""`uptill alerts rules set|list|show|remove`: when to raise an incident, and whom to tell."""

import math
from enum import StrEnum
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, labels_text, minute, note, print_fields, print_json
from services.cli.parameters import StoreLabels, labels_of, parse_pairs
from services.cli.tables import print_rows
from shared.exit_codes import ExitCode
from uptill_client import AlertRule

app = typer.Typer(no_args_is_help=True, help="Manage alert rules: rules set, list, show, remove.")
rules_app = typer.Typer(no_args_is_help=True, help="Manage alert rules: set, list, show, remove.")
app.add_typer(rules_app, name="rules")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The rule's name.")]
# Parameters whose values are names, also if they look like numbers.
_TEXTS = ("by", "service_level")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class RuleKindChoice(StrEnum):
    """What a rule looks for."""

    store_down = "store_down"
    store_silent = "store_silent"
    feed_silent = "feed_silent"
    group_down = "group_down"
    late_opening = "late_opening"
    service_level_at_risk = "service_level_at_risk"


class DayChoice(StrEnum):
    """A day of the week."""

    mon = "mon"
    tue = "tue"
    wed = "wed"
    thu = "thu"
    fri = "fri"
    sat = "sat"
    sun = "sun"


@rules_app.command("set")
def set_(
    name: Name,
    kind: Annotated[RuleKindChoice, typer.Argument(metavar="KIND", help="What the rule looks for.")],
    label: StoreLabels = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter of the kind; an empty VALUE turns it off."),
    ] = None,
    hold_open: Annotated[
        int, typer.Option(help="Minutes for which an incident stays open after its condition ended.", min=0)
    ] = 10,
    channel: Annotated[
        list[str] | None, typer.Option(help="Tell this channel. Repeat it for several. Default: none.")
    ] = None,
    quiet: Annotated[
        str | None,
        typer.Option(metavar="FROM-UNTIL", help="Send nothing in these hours, such as 22:00-07:00."),
    ] = None,
    day: Annotated[
        list[DayChoice] | None,
        typer.Option(help="Send on this day. Repeat it for several. Default: every day."),
    ] = None,
    zone: Annotated[
        str, typer.Option(help="Time zone of quiet hours and days; store: that of each store.")
    ] = "store",
    digest: Annotated[int, typer.Option(help="Minutes that one message covers; 0: send at once.", min=0)] = 0,
    remind: Annotated[
        int, typer.Option(help="Minutes between reminders until acknowledged; 0: none.", min=0)
    ] = 0,
    escalate: Annotated[
        str | None,
        typer.Option(metavar="CHANNEL=MINUTES", help="Tell this channel too if not acknowledged in time."),
    ] = None,
    *,
    paused: Annotated[
        bool, typer.Option("--paused", help="Do not evaluate the rule until it is set again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add an alert rule, or replace all of its terms."""
    quiet_from, _, quiet_until = (quiet or "").partition("-")
    second, _, minutes = (escalate or "").rpartition("=")
    if escalate and not (second and minutes.isdecimal()):
        fail(f"invalid --escalate {escalate!r}: write it as CHANNEL=MINUTES", code=ExitCode.WRONG_USE)
    delivery = {
        "channels": channel or [],
        "quiet_from": quiet_from or None,
        "quiet_until": quiet_until or None,
        "weekdays": sorted(_DAYS.index(each.value) for each in day or DayChoice),
        "zone": zone,
        "digest_minutes": digest,
        "remind_minutes": remind,
        "escalate_channel": second or None,
        "escalate_after_minutes": int(minutes or 0),
    }
    given = parse_pairs(parameter, "parameter", "NAME=VALUE, such as inactive_polls=2", str)
    with api_client() as client:
        rule = client.set_alert_rule(
            name,
            kind.value,
            labels=labels_of(label) or {},
            parameters={
                key: (text or None) if key in _TEXTS else _parse_value(text) for key, text in given.items()
            },
            hold_open_minutes=hold_open,
            delivery=delivery,
            paused=paused,
        )
    if as_json:
        print_json(rule)
    else:
        _print_rule(rule)


@rules_app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List alert rules by name."""
    with api_client() as client:
        found = client.alert_rules()
    print_rows(
        ("rule", "kind", "stores", "channels", "open"),
        found,
        lambda rule: (
            *(rule.name, rule.kind, labels_text(rule.labels) or "all"),
            *(
                ", ".join(rule.delivery["channels"]) or "-",
                "paused" if rule.paused else str(rule.open_incidents),
            ),
        ),
        as_json=as_json,
    )


@rules_app.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Show an alert rule."""
    with api_client() as client:
        rule = client.get_alert_rule(name)
    if as_json:
        print_json(rule)
    else:
        _print_rule(rule)


@rules_app.command()
def remove(name: Name) -> None:
    """Remove an alert rule and end its incidents."""
    with api_client() as client:
        client.remove_alert_rule(name)
    note(f"removed alert rule {name}")


def _parse_value(text: str) -> float | str | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() else number


def _print_rule(rule: AlertRule) -> None:
    terms = rule.delivery
    given = " ".join(f"{name}={value}" for name, value in rule.parameters.items() if value is not None)
    days = " ".join(_DAYS[day] for day in terms["weekdays"])
    lines = [
        ("rule", rule.name),
        ("kind", rule.kind),
        ("stores", labels_text(rule.labels) or "all"),
        ("parameters", given or "-"),
        ("hold open", f"{rule.hold_open_minutes} min"),
        ("channels", ", ".join(terms["channels"]) or "-"),
        ("changed", f"{minute(rule.changed_at)} by {rule.changed_by or '-'}"),
        ("open", f"{rule.open_incidents} incidents"),
    ]
    if rule.paused:
        lines.append(("state", "paused"))
    if terms["quiet_from"]:
        lines.append(("quiet", f"{terms['quiet_from']}-{terms['quiet_until']} ({terms['zone']})"))
    if len(terms["weekdays"]) < len(_DAYS):
        lines.append(("days", f"{days} ({terms['zone']})"))
    if terms["digest_minutes"]:
        lines.append(("digest", f"every {terms['digest_minutes']} min"))
    if terms["remind_minutes"]:
        lines.append(("reminders", f"every {terms['remind_minutes']} min until acknowledged"))
    if terms["escalate_channel"]:
        lines.append(
            ("escalation", f"{terms['escalate_channel']} after {terms['escalate_after_minutes']} min")
        )
    print_fields(lines)
