"""`uptill reports revise` and `uptill reports diff`: make a report again, and show what differs."""

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, minute, note, print_json
from services.cli.tables import print_table
from shared.column_words import describe_column, describe_notes
from shared.exit_codes import ExitCode
from uptill_client import StoreDiff

_EQUAL = "no numbers differ"


class CutName(StrEnum):
    """Which data a revision is made with."""

    latest = "latest"
    original = "original"


def revise(
    report_id: Annotated[str, typer.Argument(metavar="ID", help="The report's id.")],
    cut: Annotated[
        CutName,
        typer.Option(
            help="latest: the newest data; original: the data that the report was made with, for the same bytes."
        ),
    ] = CutName.latest,
    force: Annotated[
        bool, typer.Option("--force", help="Compute it again even if the data has not changed.")
    ] = False,
    *,
    as_json: Json = False,
) -> None:
    """Make a report again as its next revision. Prints its id."""
    with api_client() as client:
        made = client.revise_report(report_id, cut=cut.value, force=force)
    if as_json:
        print_json(made)
        return
    revision = f"revision {made.revision} of report {made.revision_of or made.id}"
    note(
        f"{revision} has ended already: no data has changed" if made.is_final else f"{revision} was accepted"
    )
    print(made.id)


def diff(
    before_id: Annotated[str, typer.Argument(metavar="BEFORE", help="The id of the earlier report.")],
    after_id: Annotated[str, typer.Argument(metavar="AFTER", help="The id of the later report.")],
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV with a row for each value that differs.")
    ] = False,
    *,
    as_json: Json = False,
) -> None:
    """Show the stores whose numbers differ between two reports, and the changes of data that are the causes."""
    if as_csv and as_json:
        fail("give either --csv or --json", code=ExitCode.WRONG_USE)
    with api_client() as client:
        if as_csv:
            lines = 0
            with client.diff_csv(before_id, after_id) as blocks:
                for block in blocks:
                    sys.stdout.buffer.write(block)
                    lines += block.count(b"\n")
            sys.stdout.flush()
            if lines <= 1:
                note(_EQUAL)
            return
        found = list(client.diff_reports(before_id, after_id))
    if as_json:
        print_json(found)
        return
    if not found:
        note(_EQUAL)
        return
    print_table(
        ("store", "column", "unit", "before", "after"),
        [
            (store.store_id, value.column, _unit(value.column), _show(value.before), _show(value.after))
            for store in found
            for value in store.values
        ],
    )
    for text in describe_notes(value.column for store in found for value in store.values):
        note(text)
    print()
    print_table(
        ("store", "cause", "polls", "by", "from", "at (UTC)"),
        [row for store in found for row in _list_causes(store)],
    )


def _unit(column: str) -> str:
    return describe_column(column).unit or "-"


def _show(value: float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _list_causes(store: StoreDiff) -> Iterator[Sequence[str]]:
    if store.presence != "changed":
        yield store.store_id, f"{store.presence}: a row in one report only", "-", "-", "-", "-"
    for cause in store.causes:
        subject = "" if cause.subject is None else f" {cause.subject}"
        often = f" ({cause.changes} changes)" if cause.changes > 1 else ""
        polls = "-" if cause.polls is None else str(cause.polls)
        said = f": {cause.before or 'none'} -> {cause.after or 'none'}" if cause.before or cause.after else ""
        by = cause.changed_by or ("live polls" if cause.source == "live" else "command")
        source = "-" if cause.source in {None, "live"} else cause.source
        at = minute(cause.changed_at)
        yield store.store_id, f"{cause.kind}{subject}{said}{often}", polls, by, source, at
    if store.presence == "changed" and not store.causes:
        yield store.store_id, "not known", "-", "-", "-", "-"
