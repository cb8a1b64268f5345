"""`uptill service-levels set|list|show|remove`: what is promised for stores, and where it stands."""

from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, labels_text, minute, note, print_fields, print_json
from services.cli.parameters import Policy, PolicyName, labels_of
from services.cli.tables import print_table
from shared.exit_codes import ExitCode
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import LevelOutcome, LevelTotal, ServiceLevel, ServiceLevelStore

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
Unknown = Annotated[UnknownChoice | None, typer.Option(help="What time counts as that no poll covers.")]
Excluded = Annotated[
    ExcludedChoice | None, typer.Option(help="What time of closures with the treatment exclude counts as.")
]
Caps = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REASON=HOURS",
        help="Most excluded time in a period for a reason of closures. Repeat it for several.",
    ),
]
Previous = Annotated[bool, typer.Option("--previous", help="Show the period before the current one.")]


@app.command("set")
def set_(
    name: Name,
    target: Annotated[float, typer.Option(help="Share of the counted time that must be up, such as 0.97.")],
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Only stores with this label. Repeat it for several. Default: every store.",
        ),
    ] = None,
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
    labels, caps = labels_of(label), _parse_caps(cap)
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
        _print_level(level)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all service levels, each with the total of its current period."""
    with api_client() as client:
        found = client.service_levels()
    if as_json:
        print_json(found)
        return
    print_table(
        ("level", "target", "state", "achieved", "left", "burn", "stores"),
        [
            (
                level.name,
                f"{level.target:g}",
                *_total_cells(level.evaluation),
                labels_text(level.labels) or "all",
            )
            for level in found
        ],
    )


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
    _print_level(level)
    if level.evaluation is None or not limit:
        return
    print()
    print_table(
        ("store", "state", "achieved", "budget", "used", "left", "burn", "projected", "missing"),
        [_store_row(store) for store in stores],
    )


@app.command()
def remove(name: Name) -> None:
    """Remove a service level and its evaluations."""
    with api_client() as client:
        client.remove_service_level(name)
    note(f"removed service level {name}")


def _parse_caps(texts: list[str] | None) -> dict[str, float]:
    caps: dict[str, float] = {}
    for text in texts or ():
        reason, _, hours = text.rpartition("=")
        try:
            caps[reason] = float(hours)
        except ValueError:
            reason = ""
        if not reason:
            fail(
                f"invalid cap {text!r}: write it as REASON=HOURS, such as planned_maintenance=8",
                code=ExitCode.WRONG_USE,
            )
    return caps


def _print_level(level: ServiceLevel) -> None:
    caps = " ".join(f"{reason}={hours:g}h" for reason, hours in level.caps.items())
    terms = [
        ("level", level.name),
        ("target", f"{level.target:g}"),
        ("stores", labels_text(level.labels) or "all"),
        ("profile", level.profile),
        ("counts", f"{level.period}, {level.policy}, unknown {level.unknown}, excluded {level.excluded}"),
        *([("caps", caps)] if caps else []),
    ]
    print_fields([*terms, *_outcome_fields(level.evaluation)])


def _outcome_fields(found: LevelOutcome | None) -> list[tuple[str, str]]:
    if found is None:
        return [("state", "not evaluated yet")]
    total = found.total
    counts = ", ".join(f"{number} {state}" for state, number in found.stores.items() if number)
    missing = f"{found.days_missing} days of stores; compute their daily facts"
    return [
        ("period", f"{found.first_day} to {found.last_day}, counted through {found.through}"),
        ("evaluated", f"{minute(found.evaluated_at)}, polls up to {minute(found.as_of)}"),
        ("state", f"{total.state} ({counts or 'no stores'})"),
        ("achieved", f"{_share(total.achieved)}, projected {_share(total.projected)}"),
        (
            "budget",
            f"{total.budget_minutes:g} min: used {total.used_minutes:g}, left {total.left_minutes:g}",
        ),
        ("burn rate", _rate(total.burn_rate)),
        *([("missing", missing)] if found.days_missing else []),
        *([("failed", f"{found.stores_failed} stores")] if found.stores_failed else []),
    ]


def _total_cells(found: LevelOutcome | None) -> tuple[str, str, str, str]:
    if found is None:
        return ("not evaluated yet", "-", "-", "-")
    total: LevelTotal = found.total
    return (total.state, _share(total.achieved), f"{total.left_minutes:g}", _rate(total.burn_rate))


def _store_row(store: ServiceLevelStore) -> tuple[str, ...]:
    minutes = (store.budget_minutes, store.used_minutes, store.left_minutes)
    return (
        *(store.store_id, store.state, _share(store.achieved)),
        *(f"{each:g}" for each in minutes),
        *(_rate(store.burn_rate), _share(store.projected), str(store.days_missing or "-")),
    )


def _share(share: float | None) -> str:
    """Format a share with four decimals, rounded down. The API gives six."""
    return "-" if share is None else f"{round(share * 1e6) // 100 / 1e4:.4f}"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2f}"
