"""`uptill explain`: where every second of one store's row of a report comes from."""

from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, print_json
from services.cli.explanation import show_explanation


def explain(
    report_id: Annotated[str, typer.Argument(metavar="REPORT", help="The report's id.")],
    store_id: Annotated[str, typer.Argument(metavar="STORE", help="The store's id.")],
    window: Annotated[
        str | None, typer.Option(help="Only this window of the report, such as last_day. Default: all.")
    ] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Show each segment, also in long runs of equal ones.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Explain one store's row of a report, segment by segment.

    Each segment of time has its state, and the polls, hours or closure behind it. The data is that of the report, even if
    it has changed since.
    """
    with api_client() as client:
        found = client.explain(report_id, store_id, window=window, fold=not every)
    if as_json:
        print_json(found)
        return
    show_explanation(found)
