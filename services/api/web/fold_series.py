"""Sums of a series' rows, so that one read of the facts serves the days, the weekdays and the whole fleet."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import groupby
from typing import Final

from services.api.use_cases.series_sums import PeriodFigures, PeriodRow

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES: Final = tuple(field.name for field in fields(PeriodFigures))


def fold_groups(rows: Sequence[PeriodRow]) -> Sequence[PeriodRow]:
    """Return one row for each period, of all groups together. Each store is in one group."""
    in_order = sorted(rows, key=lambda row: row.dates.first)
    periods = [list(found) for _, found in groupby(in_order, key=lambda row: row.dates.first)]
    return [
        PeriodRow(
            None,
            found[0].period,
            found[0].dates,
            _add(row.figures for row in found),
            found[0].previous_dates,
            _add_known(row.previous for row in found),
        )
        for found in periods
    ]


def fold_weekdays(days: Sequence[PeriodRow]) -> Sequence[PeriodRow]:
    """Return one row for each weekday that the days have. Those of the window before have weekdays of their own."""
    return [
        PeriodRow(
            name,
            None,
            some[0].dates,
            _add(row.figures for row in some),
            None,
            _add_known(
                row.previous
                for row in days
                if row.previous_dates and row.previous_dates.first.weekday() == number
            ),
        )
        for number, name in enumerate(_WEEKDAYS)
        if (some := [row for row in days if row.dates.first.weekday() == number])
    ]


def _add_known(some: Iterable[PeriodFigures | None]) -> PeriodFigures | None:
    known = [figures for figures in some if figures is not None]
    return _add(known) if known else None


def _add(some: Iterable[PeriodFigures]) -> PeriodFigures:
    rows = [[getattr(figures, name) for name in _NAMES] for figures in some]
    return PeriodFigures(*(sum(column) for column in zip(*rows, strict=True)))
