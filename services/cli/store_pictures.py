"""`uptill stores picture` and `badge`: a store's week and its uptime as SVG, for mails and wikis."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import note
from services.cli.instants import parse_date
from services.cli.output_file import check_output
from services.cli.parameters import Policy, PolicyName
from shared.uptime.policy import DEFAULT_POLICY

StoreId = Annotated[str, typer.Argument(metavar="ID", help="The store's id.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file.")]
Dark = Annotated[bool, typer.Option("--dark", help="For a dark background.")]


def picture(
    store_id: StoreId,
    week: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_date,
            metavar="DATE",
            help="A local date of the week. Default: that of the newest poll.",
        ),
    ] = None,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    output: Output = None,
    *,
    dark: Dark = False,
) -> None:
    """Draw the week of a store as SVG."""
    day: date | None = None if week is None else week.date()
    _check(output)
    with api_client() as client:
        _write(client.week_svg(store_id, week=day, policy=policy.value, colours=_colours(dark=dark)), output)


def badge(
    store_id: StoreId,
    window: Annotated[str, typer.Option(help="A window as in reports, such as last_day.")] = "last_week",
    policy: Policy = PolicyName(DEFAULT_POLICY),
    output: Output = None,
    *,
    dark: Dark = False,
) -> None:
    """Draw the uptime of a store as an SVG badge."""
    _check(output)
    with api_client() as client:
        _write(
            client.badge_svg(store_id, window=window, policy=policy.value, colours=_colours(dark=dark)),
            output,
        )


def _colours(*, dark: bool) -> str:
    return "dark" if dark else "light"


def _check(output: Path | None) -> None:
    if output is not None:
        check_output(output)


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        return
    output.write_bytes(content)
    note(f"{output}: {len(content):,} bytes")
