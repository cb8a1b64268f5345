"""`uptill service-levels set|list|show|remove`: what is promised for stores, and where it stands."""

from enum import StrEnum
from itertools import islice
from math import isfinite
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, note, print_json
from services.cli.parameters import Policy, PolicyName, StoreLabels, labels_of, parse_pairs
from services.cli.service_level_text import print_level, print_levels, print_stores
from shared.uptime.policy import DEFAULT_POLICY

app = typer.Typer(no_args_is_help=True, help="Manage service levels: set, list, show, remove.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The service level's name.")]


class ProfileChoice(StrEnum):
    """What is counted unless other options say otherwise."""

    plain = "plain"
    constant_denominator = "constant-denominator"
    unknown_as_up = "unknown-as-up"


class PeriodChoice(StrEnum):
    """Over which local dates."""

    calendar_month = "calendar_month"
    rolling_30_days = "rolling_30_days"
    last_12_months = "last_12_months"


class UnknownChoice(StrEnum):
    """What unknown time counts as."""

    left_out = "left_out"
    up = "up"
    down = "down"


class ExcludedChoice(StrEnum):
    """What excluded time counts as."""

    left_out = "left_out"
    up = "up"


class StateChoice(StrEnum):
    """Where a store stands."""

    ok = "ok"
    at_risk = "at_risk"
    missed = "missed"
    no_data = "no_data"


Profile = Annotated[ProfileChoice, typer.Option(help="What the next options are unless they are given.")]
Period = Annotated[PeriodChoice | None, typer.Option(help="The period, in local dates of each store.")]
Unknown = Annotated[UnknownChoice | None, typer.Option(help="What time that no poll covers counts as.")]
Excluded = Annotated[ExcludedChoice | None, typer.Option(help="What time excluded by closures counts as.")]
Caps = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REASON=HOURS",
        help="Most excluded time in a period for a reason of closures. Repeat it for several.",
    ),
]
Previous = Annotated[bool, typer.Option("--previous", help="Show the period before the current one.")]


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _read_target(text: str) -> float:
    try:
        return _finite(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is not a number: use a share such as 0.97") from None


@app.command("set")
def set_(
    name: Name,
    target: Annotated[
        float,
        typer.Option(
            parser=_read_target,
            metavar="<float>",
            help="Share of the counted time that must be up, such as 0.97.",
        ),
    ],
    label: StoreLabels = None,
    profile: Profile = ProfileChoice.plain,
    period: Period = None,
    unknown: Unknown = None,
    excluded: Excluded = None,
    cap: Caps = None,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait up to a minute for the evaluation.")
    ] = True,
    *,
    as_json: Json = False,
) -> None:
    """Add a service level, or replace all of its terms, and show where it stands."""
    labels = labels_of(label)
    caps = parse_pairs(cap, "cap", "REASON=HOURS, such as planned_maintenance=8", _finite)
    with api_client() as client:
        level = client.set_service_level(
            name,
            target,
            labels=labels,
            profile=profile.value,
            period=period and period.value,
            unknown=unknown and unknown.value,
            excluded=excluded and excluded.value,
            policy=policy.value,
            caps=caps,
        )
        if wait:
            level = client.await_service_level(name)
    if as_json:
        print_json(level)
    else:
        print_level(level)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all service levels, each with the total of its current period."""
    with api_client() as client:
        found = client.service_levels()
    if as_json:
        print_json(found)
        return
    print_levels(found)


@app.command()
def show(
    name: Name,
    state: Annotated[StateChoice | None, typer.Option(help="List only stores in this state.")] = None,
    limit: Annotated[int, typer.Option(help="List at most this many stores.", min=0)] = 50,
    *,
    previous: Previous = False,
    as_json: Json = False,
) -> None:
    """Show a service level: its terms, the total, and its stores by id."""
    period = "previous" if previous else "current"
    with api_client() as client:
        level = client.get_service_level(name, period=period)
        stores = list(
            islice(client.service_level_stores(name, period=period, state=state and state.value), limit)
        )
    if as_json:
        print_json({"service_level": level, "stores": stores})
        return
    print_level(level)
    if level.evaluation is not None and limit:
        print()
        print_stores(stores)


@app.command()
def remove(name: Name) -> None:
    """Remove a service level and its evaluations."""
    with api_client() as client:
        client.remove_service_level(name)
    note(f"removed service level {name}")
