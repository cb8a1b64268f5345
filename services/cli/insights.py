"""`uptill insights run|skill|risk|patterns|causes|drift`: what eight weeks of polls say, and how far it can be believed."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, labels_text, minute, note, print_json
from services.cli.follow import PROGRESS_EVERY_S, show_progress, telling_that_it_goes_on
from services.cli.local_times import zone_to_show
from services.cli.parameters import Labels, labels_of
from services.cli.tables import print_table
from shared.store_names import display_name
from uptill_client import InsightFinding, InsightRunStatus, RiskOfStore, UptillClient

app = typer.Typer(no_args_is_help=True, help="Show risks, patterns and drift with their skill.")
Store = Annotated[str | None, typer.Option(metavar="ID", help="Only this store.")]
Limit = Annotated[int, typer.Option(help="Show at most this many.", min=1)]
_SHOWN_HOURS = 3


@app.command()
def run(
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the run has ended.")] = True,
    *,
    as_json: Json = False,
) -> None:
    """Conclude insights from the last eight weeks, now. The scheduler does it once a day if UPTILL_INSIGHTS is on.

    Ctrl-C ends the command, not the run.
    """
    with api_client() as client:
        found = client.run_insights()
        if wait:
            found = _follow(client, found)
    if as_json:
        print_json(found)
    else:
        print(found.id)
    if found.state in ("failed", "canceled"):
        fail(
            f"run {found.id} is {found.state}: {(found.error or {}).get('detail', 'the API gave no reason')}"
        )
    if found.stores_failed:
        note(f"{found.stores_failed} stores could not be computed")


@app.command()
def skill(*, as_json: Json = False) -> None:
    """Show how well each method would have done on the last four weeks, and which are off."""
    with api_client() as client:
        found = client.insight_skill()
    if as_json:
        print_json(found)
        return
    if not found:
        note("no run yet: start one with `uptill insights run`")
    print_table(
        ("method", "as of (UTC)", "scored", "top 1 % down", "says"),
        [
            (
                *(each.method, minute(each.as_of), "-" if each.hours is None else f"{each.hours:,}"),
                *("-" if each.top_precision is None else f"{100 * each.top_precision:.0f} %", each.sentence),
            )
            for each in found
        ],
    )


@app.command()
def risk(store: Store = None, label: Labels = None, limit: Limit = 20, *, as_json: Json = False) -> None:
    """Show the stores that are most likely to be down in their next open hours, and why.

    Times are local to each store. Nothing is shown for hours so far ahead that no method has proven skill.
    """
    with api_client() as client:
        found = list(islice(client.risk(labels=labels_of(label), store=store), limit))
        _note_off(client, "risk_")
    if as_json:
        print_json(found)
        return
    print_table(("store", "expected", "next open hours", "says"), map(_risk_row, found))


@app.command()
def patterns(store: Store = None, label: Labels = None, limit: Limit = 50, *, as_json: Json = False) -> None:
    """Show the hours of the week in which stores are down again and again."""
    _show(lambda client: client.patterns(labels=labels_of(label), store=store), "patterns", limit, as_json)


@app.command()
def causes(label: Labels = None, limit: Limit = 50, *, as_json: Json = False) -> None:
    """Show the labels whose stores went down together in the last week."""
    _show(lambda client: client.causes(labels=labels_of(label)), "causes", limit, as_json=as_json)


@app.command()
def drift(store: Store = None, label: Labels = None, limit: Limit = 50, *, as_json: Json = False) -> None:
    """Show the stores and labels whose down time changed within eight weeks, and since when."""
    _show(lambda client: client.drift(labels=labels_of(label), store=store), "drift", limit, as_json)


def _show(
    read: Callable[[UptillClient], Iterator[InsightFinding]],
    method: str,
    limit: int,
    as_json: bool,
) -> None:
    with api_client() as client:
        found = list(islice(read(client), limit))
        _note_off(client, method)
    if as_json:
        print_json(found)
        return
    print_table(
        ("about", "says"),
        [
            (
                display_name(each.store_id, each.name) if each.store_id else labels_text(each.label or {}),
                each.sentence,
            )
            for each in found
        ],
    )


def _note_off(client: UptillClient, method: str) -> None:
    """Say which methods are silent, and why."""
    methods = [each for each in client.insight_skill() if each.method.startswith(method)]
    if not methods:
        note("no run yet: start one with `uptill insights run`")
    for each in methods:
        if not each.is_on:
            note(f"{each.method} is off: {each.reason}")


def _risk_row(found: RiskOfStore) -> tuple[str, ...]:
    zone = zone_to_show(found.timezone)
    shown = [hour for hour in found.hours if hour.probability is not None][:_SHOWN_HOURS]
    hours = ", ".join(
        f"{hour.at.astimezone(zone):%a %H:%M} {100 * (hour.probability or 0):.0f} %" for hour in shown
    )
    return (
        display_name(found.store_id, found.name),
        "-" if found.expected_down_hours is None else f"{found.expected_down_hours:.1f} h",
        hours or "-",
        found.sentence,
    )


def _follow(client: UptillClient, found: InsightRunStatus) -> InsightRunStatus:
    states = client.follow_insight_run(found.id, every_s=PROGRESS_EVERY_S)
    with telling_that_it_goes_on(f"run {found.id}"):
        return show_progress(
            f"insights {found.id}",
            states,
            lambda each: (each.progress.stores_done, each.progress.stores_total),
        )
