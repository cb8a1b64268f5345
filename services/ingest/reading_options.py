"""The options of a load: how values are to be read, and dry runs. `uptill ingest` and `uptill upload` have the same."""

from typing import Annotated

import typer

StatusWords = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="WORD=active,WORD=inactive",
        help="Words for the status, in addition to active and inactive. Default: UPTILL_STATUS_WORDS.",
    ),
]
DateFormat = Annotated[
    str,
    typer.Option(
        metavar="FORMAT", help="The format of every timestamp, such as '%m/%d/%Y %H:%M'. %z is the zone."
    ),
]
AssumeUtc = Annotated[bool, typer.Option("--assume-utc", help="Read timestamps without a time zone as UTC.")]
EffectiveFrom = Annotated[
    str,
    typer.Option(
        metavar="DATE",
        help="First local date of the hours in these files, as 2024-12-25, for rows without a date of their own."
        " Default: they replace the hours without a date.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print what would change: stores, rows, first and last date, stores whose hours shrink. Change nothing.",
    ),
]
