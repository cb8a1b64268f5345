"""`uptill imports` and `uptill rejects`: what was loaded, what became of its rows, and what to write instead."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, minute, note, print_fields, print_json
from services.cli.tables import print_table
from services.ingest.quality_warnings import list_warnings
from services.ingest.show import describe_quality
from shared.exit_codes import ExitCode
from shared.reject_advice import WayIn, advise, describe_listed, find_way_in
from uptill_client import ImportStatus

app = typer.Typer(no_args_is_help=True, help="Look at imports: list, show, cancel.")
ImportId = Annotated[str, typer.Argument(metavar="ID", help="The import's id.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 20, *, as_json: Json = False
) -> None:
    """List imports, newest first. The files of an archive or a form are shown with it."""
    with api_client() as client:
        found = list(islice(client.imports(), limit))
    if as_json:
        print_json(found)
        return
    titles = ("id", "state", "accepted", "corrected", "rejected", "created (UTC)", "kind", "origin", "source")
    rows = [
        (
            *(one.id, _describe_state(one)),
            *(f"{count:,}" for count in (one.counts.accepted, one.counts.corrected, one.counts.rejected)),
            *(minute(one.created_at), one.kind or "-", one.origin or "-", one.source),
        )
        for one in found
    ]
    print_table(titles, rows)


@app.command()
def show(import_id: ImportId, *, as_json: Json = False) -> None:
    """Show an import: its state, the counts of its rows, its quality report, and why it failed if it did."""
    with api_client() as client:
        found = client.get_import(import_id)
    if as_json:
        print_json(found)
        return
    print_fields(_list_fields(found))
    # Members are newest first.
    for member in found.members[::-1]:
        print()
        print_fields(_list_fields(member))


@app.command()
def cancel(import_id: ImportId) -> None:
    """Cancel an import that has not ended, or that could resume after a fault or Ctrl-C. Committed rows stay."""
    with api_client() as client:
        found = client.cancel_import(import_id)
    note(f"import {found.id} is {found.state}")


def rejects(
    import_id: ImportId,
    limit: Annotated[
        int, typer.Option(min=1, help="Show at most this many rows. --csv and --json have all rows.")
    ] = 100,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV: line, byte_offset, reason, raw, source.")
    ] = False,
    *,
    as_json: Json = False,
) -> None:
    """Show the rejected rows of an import, with the reasons.

    Each row has its line, its reason and its text; each reason says what to write instead.
    """
    if as_csv and as_json:
        fail("--csv and --json exclude each other: give one of them", code=ExitCode.WRONG_USE)
    with api_client() as client:
        if as_csv:
            client.save_rejects(import_id, sys.stdout.buffer)
            sys.stdout.flush()
            return
        rows = list(client.rejects(import_id) if as_json else islice(client.rejects(import_id), limit))
        found = client.get_import(import_id)
    way = find_way_in(found.origin)
    if found.same_as and not rows and not as_json:
        note(
            f"skipped, because the same bytes were loaded before: `uptill rejects {found.same_as}` has the rows that were"
            " rejected then"
        )
        return
    if as_json:
        print_json([{**vars(row), "meaning": advise(row.reason, way)} for row in rows])
        return
    several_files = ["file"] if len({row.source for row in rows}) > 1 else []
    source = {"hook": ["hook"], "kafka": ["message"]}.get(way, several_files)
    print_table(
        ("line", "reason", *source, "text"),
        [
            (str(row.line), row.reason, *[row.source.removeprefix("hook ") for _ in source], row.raw)
            for row in rows
        ],
    )
    print_reasons((row.reason for row in rows), way)
    more = found.counts.rejected - len(rows)
    if more > 0 and way == "hook" and len(rows) < limit:
        note(f"and {more:,} more that are not kept: of each hook and day, the first 10,000 are")
    elif more > 0:
        if listed := describe_listed(found.counts.rejected, found.quality):
            note(listed)
        note(f"and {more:,} more: `uptill rejects {import_id} --csv` prints all that are kept")


def print_reasons(reasons: Iterable[str], way: WayIn = "file") -> None:
    """Print once for each reason what it means and what to do about it."""
    if each := dict.fromkeys(reasons):
        print()
        print_fields(
            (reason, advise(reason, way) or "see docs/reference/reject-reasons.md") for reason in each
        )


def _describe_state(found: ImportStatus) -> str:
    """Return the state, and whether the file was not read because its bytes were loaded before."""
    return f"{found.state} (skipped)" if found.same_as and not found.counts.rows_read else found.state


def _list_fields(found: ImportStatus) -> Iterator[tuple[str, str]]:
    counts = found.counts
    yield "id", found.id
    yield "source", found.source
    yield "state", _describe_state(found)
    yield "kind", found.kind or "-"
    yield "origin", found.origin or "-"
    yield "created", f"{minute(found.created_at)} UTC"
    yield "finished", f"{minute(found.finished_at)} UTC" if found.finished_at else "-"
    yield (
        "rows",
        f"{counts.rows_read:,} counted: {counts.accepted:,} accepted, {counts.duplicate:,} duplicate,",
    )
    yield "", f"{counts.corrected:,} corrected, {counts.rejected:,} rejected"
    if found.same_as:
        yield "same as", f"{found.same_as}: the same bytes, so nothing changed"
    if found.error:
        yield "error", str(found.error.get("message", found.error))
    if found.counts.rejected:
        yield "rejects", f"`uptill rejects {found.id}`"
    yield from describe_quality([found.quality] if found.quality else [])
    for warning in list_warnings(found.quality or {}):
        yield "warning", warning
