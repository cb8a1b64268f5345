"""`uptill series`: uptime by group of stores and by day, week or month, from daily facts."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, print_json, print_warning
from services.cli.instants import parse_date
from services.cli.parameters import Labels, Policy, PolicyName, labels_of
from services.cli.series_rows import print_csv, print_policies, print_series
from shared.exit_codes import ExitCode
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import SeriesAnswer


class SeriesLength(StrEnum):
    """How long a period of a series is."""

    day = "day"
    week = "week"
    month = "month"


def series(
    window: Annotated[
        str | None,
        typer.Option(help="A window of whole dates, such as previous_month, month_of:2026-10 or P30D."),
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", parser=parse_date, metavar="DATE", help="First local date.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", parser=parse_date, metavar="DATE", help="Last local date.")
    ] = None,
    by: Annotated[SeriesLength, typer.Option(help="Local dates, ISO weeks or months.")] = SeriesLength.day,
    group: Annotated[
        str, typer.Option(help="One group of all stores, or groups: all, zone, weekday, store or label:NAME.")
    ] = "all",
    worst: Annotated[
        int | None, typer.Option(help="Only this many stores, those with the lowest availability.", min=1)
    ] = None,
    best: Annotated[
        int | None, typer.Option(help="Only this many stores, those with the highest availability.", min=1)
    ] = None,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    policies: Annotated[
        str | None,
        typer.Option(
            help="Instead of --policy: several, such as classic,hold, to set their totals side by side."
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Set the window before beside each row.")
    ] = False,
    total: Annotated[
        bool, typer.Option("--total", help="Show one row per group, for the whole window.")
    ] = False,
    store: Annotated[
        list[str] | None, typer.Option(help="Repeatable: only the stores with these ids.")
    ] = None,
    label: Labels = None,
    *,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with times in seconds.")] = False,
    as_json: Json = False,
) -> None:
    """Show uptime by day, week or month, by group of stores.

    Days without a fact that holds are left out, counted, and named in a warning.
    """
    if worst is not None and best is not None:
        fail("give either --worst or --best", code=ExitCode.WRONG_USE)
    limit = worst or best
    with api_client() as client:
        found = client.series(
            _choose_window(window, first, last),
            by=by.value,
            group="store" if limit else group,
            order=("lowest" if worst else "highest") if limit else None,
            limit=limit,
            policy=None if policies else policy.value,
            policies=policies.split(",") if policies else None,
            compare="previous" if compare else None,
            labels=labels_of(label),
            store_ids=store,
        )
    if as_json:
        print_json(found)
        return
    if policies:
        print_policies(found.policies)
        _warn_of_missing(found)
        return
    rows = found.totals if total or limit else found.rows
    (print_csv if as_csv else print_series)(rows, compares=compare)
    _warn_of_missing(found)


def _choose_window(
    window: str | None, first: datetime | None, last: datetime | None
) -> str | tuple[date, date]:
    if window is not None and first is None and last is None:
        return window
    if window is not None or first is None or last is None:
        fail("give either --window, or both --from and --to", code=ExitCode.WRONG_USE)
    return first.date(), last.date()


def _warn_of_missing(found: SeriesAnswer) -> None:
    missing = found.days_missing
    if missing:
        days = missing + sum(row.days for row in found.totals)
        print_warning(
            f"{missing:,} of {days:,} days of stores are not in these sums: not final yet, or no daily fact of them holds."
            f" `uptill facts build --from {found.first_day} --to {found.last_day}` computes what is missing"
        )
    if any(row.previous and row.previous.days_missing for row in found.totals):
        print_warning("days of the window before are missing too")
