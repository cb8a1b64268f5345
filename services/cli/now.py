"""`uptill now`: what stores are now, as a table that refreshes on a terminal."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.live import Live
from rich.text import Text

from services.cli.connection import api_client
from services.cli.console import (
    Json,
    is_terminal,
    labels_text,
    make_printable,
    note,
    print_json,
    stdout,
    terminal_width,
)
from services.cli.local_times import zone_to_show
from services.cli.parameters import Labels, labels_of
from services.cli.tables import fit_table, print_table
from uptill_client import NowSummary, StoreNow, UptillClient

_TITLES = ("store", "state", "since", "last poll", "until", "today up", "today down")
_HOUR_US, _MINUTE_US = 3_600_000_000, 60_000_000
# Lines around the table: the summary, the titles, and the prompt below.
_OTHER_LINES = 4


class NowState(StrEnum):
    """The states of stores."""

    up = "up"
    down = "down"
    unknown = "unknown"
    silent = "silent"
    closed = "closed"
    excluded = "excluded"
    ended = "ended"


class NowOrder(StrEnum):
    """The order of stores."""

    store = "store"
    newest = "newest"
    oldest = "oldest"
    silent = "silent"
    down = "down"


_SORTS = {"store": "store_id", "newest": "-since", "oldest": "since", "silent": "last_poll", "down": "-down"}


def now(
    state: Annotated[
        list[NowState] | None, typer.Option(help="Repeatable: only stores in any of these states.")
    ] = None,
    label: Labels = None,
    text: Annotated[str | None, typer.Option(help="Only stores with this text in their id or name.")] = None,
    sort: Annotated[
        NowOrder,
        typer.Option(
            help="By id; the newest or the oldest change first; the oldest poll first; the most open minutes down first."
        ),
    ] = NowOrder.store,
    limit: Annotated[
        int | None, typer.Option(help="Show at most this many. Default: what fits, or 50.", min=1)
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=1, max=3600)] = 5,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print once, also on a terminal.")] = False,
    as_json: Json = False,
) -> None:
    """Show what stores are now: up, down, silent or closed.

    Times are local to each store. The first line counts the stores in each state.

    On a terminal, the table refreshes until Ctrl-C. Otherwise it is printed once.
    """
    chosen: dict[str, Any] = {
        "states": [each.value for each in state or []],
        "labels": labels_of(label),
        "text": text,
        "sort": _SORTS[sort],
    }
    with api_client() as client:
        if as_json or once or not is_terminal():
            _print_once(client, chosen, limit or 50, as_json=as_json)
        else:
            _refresh(client, chosen, limit, every)


def _print_once(client: UptillClient, chosen: Mapping[str, Any], limit: int, *, as_json: bool) -> None:
    summary = client.now_summary(labels=chosen["labels"])
    stores = list(islice(client.now(**chosen), limit))
    if as_json:
        print_json({"summary": asdict(summary), "stores": stores})
        return
    note(describe(summary, chosen["labels"]))
    print_table(*make_table(stores))
    if len(stores) == limit:
        note(f"stopped after {limit}; --limit shows more")


def _refresh(client: UptillClient, chosen: Mapping[str, Any], limit: int | None, every_s: float) -> None:
    try:
        with Live(console=stdout, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                room = max(stdout.height - _OTHER_LINES, 1)
                summary = client.now_summary(labels=chosen["labels"])
                stores = list(islice(client.now(**chosen), min(limit or room, room)))
                titles, rows = make_table(stores)
                printable = [[make_printable(cell) for cell in row] for row in rows]
                lines = fit_table(titles, printable, terminal_width())
                live.update(Text("\n".join((describe(summary, chosen["labels"]), "", *lines))), refresh=True)
                time.sleep(every_s)
    except KeyboardInterrupt:
        return


def describe(summary: NowSummary, labels: Mapping[str, str] | None = None) -> str:
    """Return the counts in one line, with the age of the refresh. `labels`: those that the counted stores have."""
    counts = ", ".join(f"{number:,} {name}" for name, number in summary.states.items() if number)
    none = "no stores yet, or none that this key may see: load polls with `uptill ingest`"
    if labels:
        none = f"no store has {labels_text(labels)}: `uptill stores list` shows the labels of stores"
    counts = counts or none
    if summary.refreshed_at is None or summary.lag_s is None:
        return f"{counts} (not refreshed yet: is a worker running, and UPTILL_NOW_EVERY_S not 0?)"
    return f"{counts} ({summary.lag_s:.0f} s ago)"


def make_table(stores: Sequence[StoreNow]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return titles and rows. Names have a column if any of the stores has one."""
    rows = [make_row(store) for store in stores]
    if not any(store.name for store in stores):
        return _TITLES, rows
    named = [(row[0], store.name or "-", *row[1:]) for store, row in zip(stores, rows, strict=True)]
    return (_TITLES[0], "name", *_TITLES[1:]), named


def make_row(store: StoreNow) -> Sequence[str]:
    """Return the cells of a store. Times are local; a state that began between two polls has both."""
    zone, seen = zone_to_show(store.timezone), store.refreshed_at
    until, word = (store.open_until, "closes ") if store.open_until else (store.opens_at, "opens ")
    return (
        store.store_id,
        _describe_state(store),
        _describe_since(store, zone),
        _clock(store.last_polled_at, zone, seen),
        f"{word}{_clock(until, zone, seen)}" if until else "-",
        _length(store.up_us),
        _length(store.down_us),
    )


def _describe_state(store: StoreNow) -> str:
    if store.state != "down":
        return store.state
    return f"down, {store.inactive_polls} poll{'' if store.inactive_polls == 1 else 's'}"


def _describe_since(store: StoreNow, zone: ZoneInfo) -> str:
    earliest, latest = store.since_earliest, store.since_latest
    if latest is None:
        return "over a week ago" if store.state == "silent" else "-"
    end = _clock(latest, zone, store.refreshed_at)
    if earliest == latest:
        return end
    return f"{end} or before" if earliest is None else f"{_clock(earliest, zone, store.refreshed_at)} - {end}"


def _clock(at: datetime | None, zone: ZoneInfo, beside: datetime) -> str:
    """Format a local time, with its date unless that is the date of the refresh."""
    if at is None:
        return "-"
    local = at.astimezone(zone)
    day = "" if local.date() == beside.astimezone(zone).date() else f"{local:%a %Y-%m-%d} "
    return f"{day}{local:%H:%M}"


def _length(us: int) -> str:
    return f"{us // _HOUR_US}:{us % _HOUR_US // _MINUTE_US:02}"
