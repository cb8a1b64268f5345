"""`uptill outages`: list the outages of some stores, each in its store's local time."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

import typer

from services.cli.connection import api_client
from services.cli.console import Json, note, print_json, print_warning
from services.cli.instants import STORE_INSTANT_HELP, StoreTimes
from services.cli.outage_rows import make_table
from services.cli.parameters import ExcludedReasons, Labels, Policy, PolicyName, labels_of
from services.cli.tables import print_table
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import FailedStore, StoreOutage, UptillClient


class OutageSort(StrEnum):
    """The order of outages."""

    start = "start"
    length = "length"


def outages(
    store: Annotated[
        list[str] | None, typer.Option(help="Repeatable: only the stores with these ids.")
    ] = None,
    label: Labels = None,
    window: Annotated[
        str | None,
        typer.Option(help="A window as in reports, such as last_week or PT6H. Default: the last day."),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", help=f"Start, {STORE_INSTANT_HELP}."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="End, in the same form. Default: the newest poll.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Ignore later polls, in the same form. Give the as of of a report to see its outages."
        ),
    ] = None,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    min_length: Annotated[
        str | None, typer.Option(help="Only outages with at least this much downtime, such as PT30M.")
    ] = None,
    ongoing: Annotated[
        bool | None, typer.Option("--ongoing/--ended", help="Only ongoing outages, or only ended ones.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            metavar="KIND|WORD",
            help=(
                "Only those after which nothing is known (`unknown_end`), only late openings (`late_opening`), or only those"
                " for which a poll gave this reason."
            ),
        ),
    ] = None,
    exclude_reason: ExcludedReasons = None,
    sort: Annotated[
        OutageSort, typer.Option(help="The latest start first, or the most downtime first.")
    ] = OutageSort.start,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 50,
    *,
    as_json: Json = False,
) -> None:
    """List outages of stores, in their local time.

    The columns with two times show the polls that bound each end: an outage began and ended somewhere between two polls. For more
    stores, use `uptill report --files outages`.
    """
    filters: dict[str, Any] = {
        "window": window,
        "policy": policy.value,
        "min_length": min_length,
        "ongoing": ongoing,
        "reason": reason,
        "exclude_reasons": exclude_reason,
        "sort": sort.value,
    }
    with api_client() as client:
        one = store[0] if store and len(store) == 1 and not label else None
        times = StoreTimes(None if one is None else lambda: client.get_store(one))
        filters |= {"begin": times.parse(begin), "end": times.parse(end), "as_of": times.parse(as_of)}
        if one is not None:
            found = list(islice(client.store_outages(one, **filters), limit))
        else:
            found = _list_outages(client, store, label, filters, limit)
    if as_json:
        print_json(found)
        return
    print_table(*make_table(found))
    if len(found) == limit:
        note(f"stopped after {limit}; --limit shows more")


def _list_outages(
    client: UptillClient,
    store: list[str] | None,
    label: list[str] | None,
    filters: dict[str, Any],
    limit: int,
) -> list[StoreOutage]:
    found: list[StoreOutage] = []
    for page in client.outage_pages(store_ids=store, labels=labels_of(label), **filters):
        if not found:
            _warn_of_failed(page.failed_stores)
        found += page.outages
        if len(found) >= limit:
            break
    return found[:limit]


def _warn_of_failed(failed: Sequence[FailedStore]) -> None:
    for store in failed:
        print_warning(f"store {store.store_id} could not be computed: {store.detail}")
