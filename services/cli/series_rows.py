"""The rows of a series as a table or as CSV. Shares are rounded down, so that 97.00 % is never less."""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from services.cli.tables import print_table
from shared.formulas import inert
from uptill_client import PolicySeries, PreviousFigures, SeriesFigures, SeriesRow

_TITLES: Final = (
    "group",
    "period",
    "available",
    "up h",
    "down h",
    "unknown h",
    "excluded h",
    "outages",
    "stores",
    "missing",
)
_COMPARED: Final = (
    "group",
    "period",
    "available",
    "before",
    "change",
    "down h",
    "down h before",
    "outages",
    "outages before",
    "missing",
)
_POLICY_TITLES: Final = (
    "group",
    "policy",
    "available",
    "up h",
    "down h",
    "unknown h",
    "up h against the first",
    "other rules",
    "missing",
)
_SECONDS: Final = ("open_us", "up_us", "down_us", "unknown_us", "excluded_us")
_COUNTS: Final = ("outages", "stores", "days", "days_missing")
_HOUR_US: Final = 3_600_000_000
_SECOND_US: Final = 1_000_000
_PER_CENT_DIGITS: Final = 10_000


def print_series(rows: Sequence[SeriesRow], *, compares: bool) -> None:
    """Print a table with times in hours."""
    if compares:
        print_table(_COMPARED, map(_compared_cells, rows))
    else:
        print_table(_TITLES, map(_cells, rows))


def print_policies(policies: Sequence[PolicySeries]) -> None:
    """Print a table of the totals of each group under each policy, and the rules by which the policies differ."""
    rows = [
        (
            row.group or "-",
            each.policy,
            _percent(row.availability),
            *map(_hours, (row.up_us, row.down_us, row.unknown_us)),
            "-" if each is policies[0] else f"{row.change.up_us / _HOUR_US:+,.1f}",
            ", ".join(f"{name} {getattr(each.rules, name)}" for name in each.differs_in) or "-",
            str(row.days_missing or "-"),
        )
        for group in range(len(policies[0].totals))
        for each in policies
        for row in (each.totals[group],)
    ]
    print_table(_POLICY_TITLES, rows)


def print_csv(rows: Iterable[SeriesRow], *, compares: bool) -> None:
    """Print CSV with exact seconds. An empty cell has no value."""
    names = [name.replace("_us", "_s") for name in (*_SECONDS, *_COUNTS)]
    titles = ["group", "period", "first_day", "last_day", "availability", *names]
    before = [f"previous_{name}" for name in titles[2:]] if compares else []
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*titles, *before])
    for row in rows:
        cells = [inert(row.group or ""), row.period or "", row.first_day, row.last_day, *_exact(row)]
        writer.writerow([*cells, *(_exact_previous(row.previous) if compares else [])])


def _exact(figures: SeriesFigures) -> Iterator[str]:
    yield "" if figures.availability is None else f"{figures.availability:.6f}"
    for name in _SECONDS:
        yield "{}.{:06}".format(*divmod(getattr(figures, name), _SECOND_US))
    for name in _COUNTS:
        yield str(getattr(figures, name))


def _exact_previous(previous: PreviousFigures | None) -> list[str]:
    if previous is None:
        return [""] * (3 + len(_SECONDS) + len(_COUNTS))
    return [f"{previous.first_day}", f"{previous.last_day}", *_exact(previous)]


def _cells(row: SeriesRow) -> tuple[str, ...]:
    times = (row.up_us, row.down_us, row.unknown_us, row.excluded_us)
    return (
        row.group or "-",
        row.period or "total",
        _percent(row.availability),
        *map(_hours, times),
        str(row.outages),
        str(row.stores),
        str(row.days_missing or "-"),
    )


def _compared_cells(row: SeriesRow) -> tuple[str, ...]:
    before = row.previous
    missing = row.days_missing + (before.days_missing if before else 0)
    return (
        row.group or "-",
        row.period or "total",
        _percent(row.availability),
        _percent(before.availability) if before else "-",
        _points(row),
        _hours(row.down_us),
        _hours(before.down_us) if before else "-",
        str(row.outages),
        str(before.outages) if before else "-",
        str(missing or "-"),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{_hundredths(share) / 100:.2f} %"


def _points(row: SeriesRow) -> str:
    """Return the difference of the percentages that are shown."""
    before = row.previous.availability if row.previous else None
    if row.availability is None or before is None:
        return "-"
    return f"{(_hundredths(row.availability) - _hundredths(before)) / 100:+.2f}"


def _hundredths(share: float) -> int:
    """Return hundredths of a percent, rounded down. The share has six decimals."""
    return round(share * _SECOND_US) * _PER_CENT_DIGITS // _SECOND_US


def _hours(time_us: int) -> str:
    return f"{time_us / _HOUR_US:,.1f}"
