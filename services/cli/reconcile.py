"""`uptill reconcile`: compare a platform's own figures of downtime with Uptill's."""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.connection import api_client
from services.cli.console import Json, fail, note, print_json, print_warning
from services.cli.parameters import Policy, PolicyName
from services.cli.platform_file import FIELDS, PlatformRow, find_repeated, parse_columns, read_platform_file
from services.cli.tables import print_table
from shared.errors import InvalidRequest
from shared.exit_codes import ExitCode
from shared.explain import name_os_error
from shared.formulas import inert
from shared.texts import count_of
from shared.uptime.policy import DEFAULT_POLICY
from uptill_client import ReconciledFigure

_TITLES: Final = (
    "store",
    "name",
    "time",
    "ours min",
    "theirs min",
    "difference",
    "possible",
    "verdict",
    "why",
)
_NUMBERS: Final = (
    *("theirs_us", "down_us", "difference_us", "down_min_us", "down_max_us"),
    *("open_us", "unknown_us", "excluded_us"),
)
_MINUTE_US, _SECOND_US, _PER_CENT = 60_000_000, 1_000_000, 100
_SHOWN_FAULTS = 10
Pair = tuple[PlatformRow, ReconciledFigure]


def reconcile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file of the platform.")],
    columns: Annotated[
        str | None,
        typer.Option(
            help=f"The names of its columns, as FIELD=COLUMN,…; fields are {', '.join(FIELDS)}. Fields with their own name need none."
        ),
    ] = None,
    date_format: Annotated[
        str | None, typer.Option(help="How its dates are written, such as %d/%m/%Y. Default: 2024-10-14.")
    ] = None,
    policy: Policy = PolicyName(DEFAULT_POLICY),
    within: Annotated[
        float, typer.Option(help="Seconds by which two figures may differ and still agree.", min=0, max=86400)
    ] = 60,
    tolerance: Annotated[
        float,
        typer.Option(
            help="Per cent of the figures that may be beyond our bounds with exit code 0.", min=0, max=100
        ),
    ] = 0,
    *,
    every: Annotated[bool, typer.Option("--all", help="Show the figures that agree too.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print every figure as CSV, times in seconds.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare a platform's own downtime with Uptill's.

    Each row is a store and a local date, or a time from and to, with its downtime or its uptime in per cent. The command
    shows the rows that differ, whether our polls allow the platform's figure, and what may explain it.

    The exit code is 1 if more than the tolerance are beyond our bounds, if a row cannot be read, or if none can be compared.
    """
    rows, faults = _read(file, columns, date_format)
    with api_client() as client:
        figures = [row.figure for row in rows]
        found = list(zip(rows, client.reconcile(figures, policy=policy.value, within_s=within), strict=True))
    if repeated := find_repeated(rows):
        print_warning(repeated)
    for fault in faults[:_SHOWN_FAULTS]:
        print_warning(fault)
    if len(faults) > _SHOWN_FAULTS:
        print_warning(f"{count_of(len(faults) - _SHOWN_FAULTS, 'more row')} cannot be read")
    if as_json:
        print_json([{"line": row.line, **vars(figure)} for row, figure in found])
    elif as_csv:
        _print_csv(found)
    else:
        print_table(_TITLES, [_cells(*pair) for pair in found if every or pair[1].verdict != "agrees"])
    counts = Counter(figure.verdict for _, figure in found)
    compared = len(found) - counts["not_compared"]
    _summarise(found, counts, compared)
    beyond = counts["beyond_bounds"]
    if faults or not compared or beyond * _PER_CENT > tolerance * compared:
        raise typer.Exit(ExitCode.FAILED)


def _read(file: Path, columns: str | None, date_format: str | None) -> tuple[list[PlatformRow], list[str]]:
    try:
        rows, faults = read_platform_file(file, parse_columns(columns), date_format)
    except InvalidRequest as error:
        fail(str(error), code=ExitCode.WRONG_USE)
    except OSError as error:
        fail(f"cannot read {name_os_error(error)}", code=ExitCode.WRONG_USE)
    if not rows:
        fail(faults[0] if faults else f"{file} has no rows below its header")
    return rows, faults


def _summarise(found: Sequence[Pair], counts: Counter[str], compared: int) -> None:
    ours = sum(figure.down_us or 0 for _, figure in found if figure.verdict != "not_compared")
    theirs = sum(figure.theirs_us or 0 for _, figure in found if figure.verdict != "not_compared")
    beyond = counts["beyond_bounds"]
    share = f" ({beyond / compared:.1%})" if compared else ""
    note(
        f"{len(found):,} {'figure' if len(found) == 1 else 'figures'}: {counts['agrees']:,} agree, {counts['within_bounds']:,} within our bounds,"
        f" {beyond:,} beyond them{share}, {counts['not_compared']:,} not compared"
    )
    note(
        f"downtime of those compared: ours {ours / _MINUTE_US:,.1f} min, theirs {theirs / _MINUTE_US:,.1f} min"
    )


def _cells(row: PlatformRow, figure: ReconciledFigure) -> Sequence[str]:
    bounds = "-"
    if figure.down_min_us is not None and figure.down_max_us is not None:
        bounds = f"{_minutes(figure.down_min_us)} - {_minutes(figure.down_max_us)}"
    return (
        figure.store_id,
        figure.name or "-",
        row.time,
        _minutes(figure.down_us),
        _minutes(figure.theirs_us),
        _minutes(figure.difference_us, sign="+"),
        bounds,
        figure.verdict.replace("_", " "),
        ", ".join(figure.causes).replace("_", " ") or "-",
    )


def _minutes(us: int | None, sign: str = "") -> str:
    return "-" if us is None else f"{us / _MINUTE_US:{sign}.1f}"


def _print_csv(found: Iterable[Pair]) -> None:
    names = [name.removesuffix("_us") + "_s" for name in _NUMBERS]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["line", "store_id", "name", "time", "verdict", "causes", *names, "polls"])
    for row, figure in found:
        numbers = (getattr(figure, name) for name in _NUMBERS)
        writer.writerow(
            [
                row.line,
                *(inert(figure.store_id), inert(figure.name or ""), inert(row.time)),
                *(figure.verdict, " ".join(figure.causes)),
                *("" if us is None else f"{us / _SECOND_US:.6f}" for us in numbers),
                "" if figure.polls is None else figure.polls,
            ]
        )
